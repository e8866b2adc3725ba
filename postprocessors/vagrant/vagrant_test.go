package vagrant

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

var (
	ami = artifact.Artifact{Builder: "amazon-ebs", ID: "eu-west-1:ami-1,us-east-1:ami-2", Arch: "arm64",
		Places: []artifact.Place{{Name: "eu-west-1", ID: "ami-1"}, {Name: "us-east-1", ID: "ami-2"}}}
	gce   = artifact.Artifact{Builder: "googlecompute", ID: "web-1", Arch: "amd64", Places: []artifact.Place{{Name: "acme", ID: "web-1"}}}
	image = artifact.Artifact{Builder: "docker", ID: "acme/web:2", Arch: "amd64", Image: &artifact.Image{}, Tags: []string{"acme/web:1", "acme/web:2"}}
	file  = artifact.Artifact{Builder: "file", ID: "File", Arch: "amd64", Files: []artifact.File{{Path: "disk.img"}}}
)

// input is a build of a builder, in a folder with some files.
func input(t *testing.T, builder string, a artifact.Artifact) postprocessors.Input {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"disk.img": "disk", "readme": "read me", "custom.rb": "# {{.Provider}} on {{.Architecture}}: {{.ArtifactId}}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := postprocessortest.Input(dir, a)
	in.BuilderType = builder
	return in
}

const around = "Vagrant.configure(\"2\") do |config|\n  config.vm.provider :PROVIDER do |PROVIDER|\n    LINES\n  end\nend\n"

// TestBox is about what is in a box. Vagrant adds each, where it is installed.
func TestBox(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		builder  string
		artifact artifact.Artifact
		change   func(*Config)
		path     string
		lines    string // of the Vagrantfile
		more     string // after that
		files    string
	}{
		"aws": {"amazon-ebs", ami, func(*Config) {}, "packer_web_aws_arm64.box",
			"aws.region_config 'eu-west-1', ami: 'ami-1'\n    aws.region_config 'us-east-1', ami: 'ami-2'", "", ""},
		"google": {"googlecompute", gce, func(*Config) {}, "packer_web_google_amd64.box", "google.image = 'web-1'", "", ""},
		"docker": {"docker", image, func(*Config) {}, "packer_web_docker_amd64.box", "docker.image = 'acme/web:2'", "", ""},
		"file":   {"file", file, func(*Config) {}, "packer_web_file_amd64.box", "", "", "disk.img\n"},
		"options": {"docker", image, func(c *Config) {
			c.Output, c.VagrantfileTemplate, c.Include, c.Architecture, c.CompressionLevel = "out/{{.BuildName}}.box", "custom.rb", []string{"readme"}, "i386", new(int)
		}, "out/web.box", "docker.image = 'acme/web:2'", "\n# docker on i386: acme/web:2\n", "readme\n"},
		"override": {"docker", image, func(c *Config) {
			output, arch := "o.box", "s390x"
			c.Include, c.Override = []string{"none"}, map[string]Override{"docker": {Output: &output, Architecture: &arch, Include: []string{}}, "libvirt": {}}
		}, "o.box", "docker.image = 'acme/web:2'", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(t, c.builder, c.artifact)
			p := config(c.change)
			if err := p.Check(in); err != nil {
				t.Fatal(err)
			}
			res, err := p.Process(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			provider := res.Artifact.ID
			if len(res.Artifact.Files) != 1 || res.Artifact.Files[0].Path != c.path || res.Keep != (provider != "file") || res.MustKeep != res.Keep {
				t.Fatalf("%+v", res)
			}
			cmd := exec.Command("sh", "-c", "mkdir got && tar -xzf $F -C got && tar -tzf $F")
			cmd.Dir, cmd.Env = in.Dir, append(os.Environ(), "F="+c.path)
			out, err := cmd.Output()
			if want := "metadata.json\nVagrantfile\n" + c.files; err != nil || string(out) != want {
				t.Fatalf("%v: %s", err, out)
			}
			want := ""
			if c.lines != "" {
				want = strings.NewReplacer("PROVIDER", provider, "LINES", c.lines).Replace(around)
			}
			got, err := os.ReadFile(filepath.Join(in.Dir, "got/Vagrantfile"))
			if diff := cmp.Diff(want+c.more, string(got)); err != nil || diff != "" {
				t.Errorf("%v: %s", err, diff)
			}
			var meta map[string]string
			text, err := os.ReadFile(filepath.Join(in.Dir, "got/metadata.json"))
			if err != nil || json.Unmarshal(text, &meta) != nil || meta["provider"] != provider || meta["architecture"] == "" {
				t.Errorf("%s, %v", text, err)
			}
			if name != "options" && name != "override" {
				addBox(t, in.Path(c.path), provider)
			}
		})
	}
}

// addBox lets Vagrant take the box, and Ruby read its Vagrantfile.
func addBox(t *testing.T, path, provider string) {
	t.Helper()
	if _, err := exec.LookPath("vagrant"); err != nil {
		t.Skip("cannot run here: there is no vagrant")
	}
	home := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = home, append(os.Environ(), "VAGRANT_HOME="+home, "HOME="+home, "VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_NO_PLUGINS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("vagrant", "box", "add", "--name", "ours", path)
	if out := run("vagrant", "box", "list"); !strings.Contains(out, "ours") || !strings.Contains(out, "("+provider) {
		t.Errorf("vagrant has\n%s", out)
	}
	boxes, _ := filepath.Glob(filepath.Join(home, "boxes/ours/*/*/Vagrantfile"))
	if len(boxes) != 1 {
		t.Fatalf("in %s: %v", home, boxes)
	}
	run("ruby", "-c", boxes[0])
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	in := input(t, "docker", artifact.Artifact{})
	ten := 10
	for _, c := range []struct {
		change       func(*Config)
		option, want string
	}{
		{func(c *Config) { c.ProviderOverride = "virtualbox" }, "provider_override", `boxes for "virtualbox" are not made here`},
		{func(c *Config) { c.CompressionLevel = &ten }, "compression_level", "10 is not in the range"},
		{func(c *Config) { c.VagrantfileTemplate = "none" }, "vagrantfile_template", "no such file"},
		{func(c *Config) { c.Output = "{{.Nope}}" }, "output", "Nope"},
		{func(c *Config) { c.Output = "." }, "output", "is a folder"},
		{func(c *Config) { c.Override = map[string]Override{"aws": {CompressionLevel: &ten}} }, "compression_level", "10 is not in the range"},
	} {
		postprocessortest.Refuses(t, config(c.change), in, c.option, c.want)
	}
	if err := config(func(c *Config) { c.VagrantfileTemplate, c.VagrantfileTemplateGenerated = "none", true }).Check(in); err != nil {
		t.Error(err)
	}
}

func TestProcessRefuses(t *testing.T) {
	t.Parallel()
	unnamed := image
	unnamed.Tags = nil
	for want, c := range map[string]struct {
		builder  string
		artifact artifact.Artifact
		change   func(*Config)
	}{
		"there is no box for such an artifact": {"docker", artifact.Artifact{Builder: "docker", ID: "Container", Files: file.Files}, func(*Config) {}},
		"the image has no name":                {"docker", unnamed, func(*Config) {}},
		"the artifact has no AMI":              {"docker", file, func(c *Config) { c.ProviderOverride = "aws" }},
		"the box has another Vagrantfile":      {"docker", image, func(c *Config) { c.Include = []string{"x/Vagrantfile"} }},
		"no such file":                         {"docker", image, func(c *Config) { c.Include = []string{"none"} }},
	} {
		_, err := config(c.change).Process(t.Context(), input(t, c.builder, c.artifact))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	in := input(t, "file", file)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := config(func(*Config) {}).Process(ctx, in); err == nil {
		t.Error("not cancelled")
	}
	if left, _ := filepath.Glob(filepath.Join(in.Dir, "*box*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// Ruby reads what stands for a text as that text.
func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ami-1": "'ami-1'", `a'b\c#{d}`: `'a\'b\\c#{d}'`} {
		if got := quote(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
