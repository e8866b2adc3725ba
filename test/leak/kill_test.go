package leak

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/journal"
)

// killsEnv names the variable that says how many builds are killed, at random
// moments, until one is left alone.
const killsEnv = "INGOT_TEST_KILLS"

// usualKills is how many those are in a short run.
const usualKills = 6

// mortal are clouds with a template whose steps leave a trace on the image, and
// with one that shows it.
var mortal = []struct {
	cloud
	look string
}{
	{cloud{name: "amazon-ebs", template: `
variable "name" {}
source "amazon-ebs" "web" {
  region        = "us-east-1"
  ami_name      = var.name
  ami_regions   = ["eu-west-1"]
  instance_type = "t3.micro"
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"
}
build {
  sources = ["source.amazon-ebs.web"]
` + traces}, `
variable "name" {}
variable "image" {}
source "amazon-ebs" "look" {
  region          = "us-east-1"
  ami_name        = "look-${var.name}"
  skip_create_ami = true
  instance_type   = "t3.micro"
  source_ami      = var.image
  ssh_username    = "admin"
}
build {
  sources = ["source.amazon-ebs.look"]
` + show},
	{cloud{name: "googlecompute", template: `
variable "name" {}
source "googlecompute" "web" {
  project_id          = "leaks"
  zone                = "europe-west1-b"
  source_image_family = "debian-12"
  image_name          = var.name
  ssh_username        = "debian"
}
build {
  sources = ["source.googlecompute.web"]
` + traces}, `
variable "name" {}
variable "image" {}
source "googlecompute" "look" {
  project_id              = "leaks"
  zone                    = "europe-west1-b"
  source_image            = var.image
  source_image_project_id = ["leaks"]
  image_name              = "look-${var.name}"
  skip_create_image       = true
  ssh_username            = "debian"
}
build {
  sources = ["source.googlecompute.look"]
` + show},
}

const (
	traces = `
  provisioner "shell" { inline = ["echo 1 | sudo tee -a /built"] }
  provisioner "shell" {
    inline     = ["echo 2 | sudo tee -a /built"]
    checkpoint = true
  }
  provisioner "shell" { inline = ["echo 3 | sudo tee -a /built"] }
}
`
	show = `
  provisioner "shell" { inline = ["sed 's/^/built: /' /built"] }
}
`
	steps = "1 2 3" // what the image has of them
)

// TestKilledUntilItSucceeds kills builds at random moments and runs them again,
// until one is left alone: it succeeds whatever those before it left, its image
// has each step once, nothing else is left after a sweep, and the registry is
// whole.
func TestKilledUntilItSucceeds(t *testing.T) {
	t.Parallel()
	ingot, kills := findIngot(t), usualKills
	if text := os.Getenv(killsEnv); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", killsEnv, err)
		}
	}
	for _, m := range mortal {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, m.cloud, ingot, nil)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			k := &killer{rig: r, look: m.look, random: rand.New(rand.NewPCG(seed, seed))}
			k.round(0)
			for k.killed < (kills+1)/len(mortal) {
				k.round(1 + k.random.IntN(4))
			}
			t.Logf("%d builds were killed", k.killed)
		})
	}
}

// onErrors are what builds are to do with a machine whose step fails: some keep
// a state of it before each step.
var onErrors = []string{"cleanup", "checkpoint", "hold"}

// killer kills builds of one cloud.
type killer struct {
	*rig
	look   string
	random *rand.Rand
	whole  time.Duration // a build that nobody kills
	killed int
}

// round kills a build so many times, unless it is done before.
func (k *killer) round(kills int) {
	k.t.Helper()
	p := k.point()
	if err := os.WriteFile(filepath.Join(p.dir, "look.pkr.hcl"), []byte(k.look), 0o644); err != nil {
		k.t.Fatal(err)
	}
	var told strings.Builder
	for range kills {
		p.onError = onErrors[k.random.IntN(len(onErrors))]
		after := time.Duration(k.random.Int64N(int64(k.whole)))
		res := p.build(kill(after))
		fmt.Fprintf(&told, "-on-error=%s, after %s: %s\n%s\n", p.onError, after, res, indent(res.out))
		if res.code == 0 {
			break
		}
		if res.code > 0 {
			k.t.Errorf("%s: a build failed that nobody killed:\n%s", p.name, told.String())
		}
		k.killed++
		if k.random.IntN(4) == 0 {
			p.sweep()
		}
	}
	start := time.Now()
	res := p.build(nil)
	k.whole = max(k.whole, time.Since(start))
	fmt.Fprintf(&told, "%s\n%s", res, indent(res.out))
	p.sweep()
	if err := errors.Join(k.succeeded(res), p.right(), p.only(), p.whole()); err != nil {
		k.t.Errorf("%s: %v\n%s", p.name, err, told.String())
	}
}

func (k *killer) succeeded(res result) error {
	if res.code != 0 {
		return fmt.Errorf("the last build: %s", res)
	}
	return nil
}

// kill ends a process some time after it began.
func kill(after time.Duration) func(*os.Process) {
	return func(process *os.Process) {
		time.Sleep(after)
		_ = process.Kill()
	}
}

var builtLine = regexp.MustCompile(`(?m): built: (\d)$`)

// right reports what is wrong with the image.
func (p *point) right() error {
	p.r.t.Helper()
	ids := p.recorded()
	if len(ids) == 0 {
		return errors.New("no image is recorded")
	}
	res := p.command(nil, "build", "-sandbox", "-var", "image="+p.home(ids), "look.pkr.hcl")
	var found []string
	for _, m := range builtLine.FindAllStringSubmatch(res.out, -1) {
		found = append(found, m[1])
	}
	if got := strings.Join(found, " "); got != steps {
		return fmt.Errorf("the image has the steps %q, want %q:\n%s", got, steps, indent(res.out))
	}
	return nil
}

// home is the image in the place where it was made.
func (p *point) home(ids []string) string {
	for _, line := range p.r.Leaks() {
		for _, id := range ids {
			if strings.Contains(line, "us-east-1 image "+id) {
				return id
			}
		}
	}
	return ids[0]
}

// only reports what is there beside images that are recorded and checkpoints.
func (p *point) only() error {
	p.r.t.Helper()
	var list []struct {
		Artifact struct{ Places []struct{ ID string } }
	}
	if err := p.json(&list, "registry", "checkpoints", "t", "-json"); err != nil {
		return err
	}
	left, snapshots := p.leaks(), len(list)
	left = slices.DeleteFunc(left, func(line string) bool {
		if strings.Contains(line, " snapshot ") && snapshots > 0 {
			snapshots--
			return true
		}
		for _, c := range list {
			for _, place := range c.Artifact.Places {
				if strings.Contains(line, place.ID) {
					return true
				}
			}
		}
		return false
	})
	if len(left) > 0 {
		return fmt.Errorf("left:\n  %s", strings.Join(left, "\n  "))
	}
	return nil
}

// whole reports what is wrong with the registry: it has one version, with the
// image, and the next build has nothing to do and waits for nobody.
func (p *point) whole() error {
	p.r.t.Helper()
	var versions []struct{ Records []json.RawMessage }
	if err := p.json(&versions, "registry", "list", "t", "-json"); err != nil {
		return err
	}
	if len(versions) != 1 || len(versions[0].Records) != 1 {
		return fmt.Errorf("the registry has %d versions, want one with one image: %+v", len(versions), versions)
	}
	if res := p.build(nil); res.code != 0 || !strings.Contains(res.out, "unchanged since") || strings.Contains(res.out, "waiting for") {
		return fmt.Errorf("the next build: %s\n%s", res, indent(res.out))
	}
	return p.settled()
}

// settling is how long a sweep remembers what a killed build was about to
// create, and what is not there: it may still come to be.
const settling = 5 * time.Minute

// settled reports what journals name beside that.
func (p *point) settled() error {
	now := time.Now()
	dead, err := journal.ReadDead(filepath.Join(p.r.Dir, "journal"), now)
	for _, d := range dead {
		for _, r := range d.Resources {
			if r.ID != "" || now.Sub(r.Created) > settling {
				err = errors.Join(err, fmt.Errorf("a journal still names the %s %s", r.Kind, cmp.Or(r.ID, r.Name)))
			}
		}
	}
	return err
}

// json runs a command that prints JSON.
func (p *point) json(v any, args ...string) error {
	p.r.t.Helper()
	res := p.command(nil, args...)
	if err := json.Unmarshal([]byte(res.out), v); err != nil {
		return fmt.Errorf("ingot %s: %w: %s", strings.Join(args, " "), err, res.out)
	}
	return nil
}
