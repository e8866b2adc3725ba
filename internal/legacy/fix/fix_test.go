package fix

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each fixer by itself changes testdata/NAME.json to testdata/NAME.fixed, and
// that not again.
func TestFixers(t *testing.T) {
	t.Parallel()
	if got := len(List()); got != 34 {
		t.Errorf("there are %d fixers, not Packer's 34", got)
	}
	for _, f := range List() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", f.Name)
			src, err := os.ReadFile(path + ".json")
			if err != nil {
				t.Fatal(err)
			}
			got, err := apply(src, []Fixer{f})
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(path+".fixed", got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path + ".fixed")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
			var was any
			if err := json.Unmarshal(src, &was); err != nil {
				t.Fatal(err)
			}
			if before, _ := json.Marshal(was); bytes.Equal(before, compact(t, got)) {
				t.Error("nothing was changed")
			}
			if again, err := apply(got, []Fixer{f}); err != nil || !bytes.Equal(again, got) {
				t.Errorf("a second time, error %v, it gives\n%s", err, again)
			}
		})
	}
}

func compact(t *testing.T, src []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, src); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestApply(t *testing.T) {
	t.Parallel()
	got, err := Apply([]byte(`{"z": 1.50, "builders": [{"type": "qemu", "iso_md5": "abc", "run": "a && b <c>"}, 7], "a": null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "a": null,
  "builders": [
    {
      "iso_checksum": "md5:abc",
      "run": "a && b <c>",
      "type": "qemu"
    },
    7
  ],
  "z": 1.50
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for _, src := range []string{
		`{"builders": [{"type": "amazon-ebs", "ssh_private_ip": "perhaps"}]}`,
		`{"builders": [{"type": "vsphere-iso", "network": "n", "network_adapters": "x"}]}`,
		`[]`,
	} {
		if _, err := Apply([]byte(src)); err == nil || strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: got error %v", src, err)
		}
	}
}
