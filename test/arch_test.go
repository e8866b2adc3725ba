// Package test holds what is true of the whole of ingot.
package test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/ingot-build/ingot"

// forbidden says what a package and all that it imports must not import.
var forbidden = map[string][]string{
	"internal/op":        {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", module + "/internal/lang", module + "/internal/plan"},
	"builders":           {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", module + "/internal/plan", module + "/internal/engine"},
	"provisioners":       {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", "golang.org/x/crypto/ssh", module + "/internal/plan"},
	"provisioners/all":   {"github.com/moby/buildkit", "golang.org/x/crypto/ssh", module + "/internal/plan", module + "/internal/engine"},
	"postprocessors":     {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", module + "/internal/plan"},
	"postprocessors/all": {"github.com/moby/buildkit/client", "github.com/moby/buildkit/session", "github.com/moby/buildkit/solver", module + "/internal/plan", module + "/internal/engine", module + "/internal/registry"},
	"internal/lang":      {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", "golang.org/x/crypto/ssh", module + "/builders", module + "/provisioners"},
	"internal/plan":      {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", "golang.org/x/crypto/ssh", module + "/internal/registry", module + "/internal/engine"},
	"internal/engine":    {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", "golang.org/x/crypto/ssh", module + "/builders/container", module + "/builders/null", module + "/internal/ui", module + "/internal/sandbox"},
	"internal/registry":  {"github.com/moby/buildkit", module + "/builders", module + "/internal/plan"},
	"internal/ui":        {"github.com/moby/buildkit", module + "/internal/engine", module + "/internal/plan"},
	"builders/machine":   {"github.com/moby/buildkit", module + "/internal/plan", module + "/internal/engine"},
	"builders/all":       {module + "/internal/plan", module + "/internal/engine", module + "/internal/sandbox"},
	"datasources":        {"github.com/aws/", "google.golang.org/api", "github.com/moby/buildkit", module + "/internal/lang", module + "/internal/plan"},
	"datasources/all":    {"github.com/moby/buildkit", module + "/internal/lang", module + "/internal/plan", module + "/internal/engine", module + "/internal/sandbox"},
	"cmd/ingot-machine":  {module + "/builders", module + "/internal/sandbox/host", "github.com/google/", "golang.org/x/crypto", "google.golang.org/", "gvisor.dev/", "oras.land/", "net/http", "crypto/x509"},
	"internal/sandbox":   {module + "/internal/lang", module + "/internal/plan", module + "/internal/engine", module + "/builders/amazon", module + "/builders/google"},
}

// TestImportsRunDownwards keeps data flowing one way: template, plan, engine,
// builder, artifact, registry.
func TestImportsRunDownwards(t *testing.T) {
	t.Parallel()
	for pkg, banned := range forbidden {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			for _, dep := range deps(t, pkg) {
				for _, b := range banned {
					if strings.HasPrefix(dep, b) {
						t.Errorf("%s imports %s, which it must not", pkg, dep)
					}
				}
			}
		})
	}
}

// TestOnlyTheCommandListsComponents keeps the lists out of everything but main,
// and what tells about all components.
func TestOnlyTheCommandListsComponents(t *testing.T) {
	t.Parallel()
	out := goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	for line := range strings.Lines(out) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(pkg, module+"/cmd/ingot") || strings.HasPrefix(pkg, module+"/docs/") || pkg == module+"/test/compat" {
			continue
		}
		for imp := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imp, module) && strings.HasSuffix(imp, "s/all") {
				t.Errorf("%s imports %s, which only cmd/ingot may", pkg, imp)
			}
		}
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	return strings.Fields(goList(t, "-deps", "./"+pkg))
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(out)
}
