package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// faulty is a template with n errors, one of two lines among them, and what is
// wrong with it.
func faulty(t *testing.T, n int) (map[string]*hcl.File, hcl.Diagnostics) {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "source \"ünï\" \"s%d\" {\n\n  wrong = [\n    %d]\n}\r\n", i, i)
	}
	file, diags := hclsyntax.ParseConfig([]byte(b.String()), "t.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for i, block := range file.Body.(*hclsyntax.Body).Blocks {
		a := block.Body.Attributes["wrong"]
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("Wrong %d", i), Detail: "It is\nwrong.", Subject: a.NameRange.Ptr()}
		if i%2 == 1 {
			d.Context = a.SrcRange.Ptr()
		}
		if i%3 == 1 {
			d.Subject = &hcl.Range{Filename: "t.hcl", Start: a.SrcRange.End, End: a.SrcRange.End}
		}
		diags = append(diags, d)
	}
	end := hcl.Pos{Line: 5*n + 1, Column: 1, Byte: b.Len()}
	return map[string]*hcl.File{"t.hcl": file}, append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Of no place"},
		&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Of another file", Subject: &hcl.Range{Filename: "u.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}},
		&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "At the end", Subject: &hcl.Range{Filename: "t.hcl", Start: end, End: end}})
}

// TestDiagnosticsAsHCL has snippets look as hcl shows them, though it does not
// go through the file for each.
func TestDiagnosticsAsHCL(t *testing.T) {
	t.Parallel()
	files, diags := faulty(t, 20)
	for _, color := range []bool{false, true} {
		var got, want strings.Builder
		if err := writeDiags(&got, files, diags, nil, color); err != exitCode(exitError) {
			t.Fatal(err)
		}
		if err := hcl.NewDiagnosticTextWriter(&want, files, 100, color).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), got.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestManyDiagnostics has a line for each of those that have no snippet.
func TestManyDiagnostics(t *testing.T) {
	t.Parallel()
	files, diags := faulty(t, 4000)
	var got strings.Builder
	if err := writeDiags(&got, files, diags, nil, false); err != exitCode(exitError) {
		t.Fatal(err)
	}
	if n := strings.Count(got.String(), "on t.hcl line"); n != mostSnippets {
		t.Errorf("%d snippets", n)
	}
	for _, want := range []string{"\n\nAnd 3903 more, without their lines:\n\nError: t.hcl:504: Wrong 100: It is wrong.\n", "Error: t.hcl:19998: Wrong 3999: It is wrong.\nWarning: Of no place\n"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}
