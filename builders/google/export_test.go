package google

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
)

func scriptOf(t *testing.T) string {
	t.Helper()
	e := Exporter{Paths: []string{"gs://acme/web.tar.gz", "gs://acme/it's/web 1.tar.gz"}}
	to, err := e.objects()
	if err != nil {
		t.Fatal(err)
	}
	script, err := exportScript(to, 10<<30, "https://storage.googleapis.com")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// The script is one for any POSIX shell.
func TestExportScript(t *testing.T) {
	t.Parallel()
	script := scriptOf(t)
	for _, want := range []string{"SIZE=10737418240\n", "open 1 'acme' 'web.tar.gz'\n", "open 2 'acme' 'it%27s%2Fweb+1.tar.gz'\n", "NAMES='1 2'\n"} {
		if !strings.Contains(script, want) {
			t.Errorf("it has no %q", want)
		}
	}
	for _, check := range [][]string{{"sh", "-n"}, {"shellcheck", "-s", "sh", "-"}} {
		if _, err := exec.LookPath(check[0]); err != nil {
			continue // only a second opinion
		}
		cmd := exec.Command(check[0], check[1:]...)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", check[0], err, out)
		}
	}
	head := exec.Command("sh", "-c", `sed -n "/^base64 -d/,/^END$/p" | sed '1d;$d' | base64 -d | tar -tv --ignore-zeros 2>/dev/null`)
	head.Stdin = strings.NewReader(script)
	out, _ := head.Output() // the disk itself is missing
	if !strings.Contains(string(out), " 10737418240 ") || !strings.HasSuffix(strings.TrimSpace(string(out)), " disk.raw") {
		t.Errorf("the header is of %q", out)
	}
}

func TestExportMarks(t *testing.T) {
	t.Parallel()
	to := []exported{{"gs://a/b", "a", "b"}, {"gs://c/d", "c", "d"}}
	const sum, other = "d41d8cd98f00b204e9800998ecf8427e 1B2M2Y8AsgTpgAmY7PhCfg==", "rL0Y20zC+Fzt72VPzMSk2A=="
	for _, tt := range []struct{ what, text, want, hint string }{
		{"sent", "67108864", "", ""},
		{"done", sum + " 1B2M2Y8AsgTpgAmY7PhCfg== ", "", ""},
		{"done", sum + " " + other, "gs://c/d has other content", ""},
		{"done", sum, "gs://c/d has other content", ""},
		{"done", "", "without a checksum", ""},
		{"failed", "the disk can't be read", "the disk can't be read", ""},
		{"failed", `2 404 { "error": {"code": 404, "message": "The specified bucket does not exist."}}`, "write gs://c/d: The specified bucket does not exist.", "buckets create gs://c"},
		{"failed", "1 000 ", "can't reach Cloud Storage", ""},
		{"failed", "7 500 x", "7 500 x", ""},
	} {
		m := &instance{launch: &launch{}}
		_, err := m.heard(tt.what, tt.text, to)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || !strings.Contains(builders.Hint(err), tt.hint) {
			t.Errorf("%s %s: %v (%s)", tt.what, tt.text, err, builders.Hint(err))
		}
	}
}
