package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox"
)

const (
	cloudFleet     = 50
	cloudMemory    = 200e6 // bytes
	cloudDescribes = 3.0   // a second, of all builds
)

// cloudTiming is what a machine and its image take whatever a client does.
const cloudTiming = "running=3s,ssh=2s,image=8s,stopping=500ms,operation=200ms"

// cloudBench is one of the clouds of the sandbox.
type cloudBench struct {
	builder string
	source  string   // options of a source; %d is its number
	asks    []string // prefixes of the calls that only ask
	time    time.Duration
	made    string // of what time is the sum
}

func benchAmazon(ctx context.Context, s *stand) ([]row, error) {
	return s.benchCloud(ctx, cloudBench{builder: "amazon-ebs", time: 13 * time.Second, made: "running, ssh, image", asks: []string{"ec2.Describe"}, source: `
  region        = "us-east-1"
  ami_name      = "bench-%d-${uuidv4()}"
  instance_type = "t3.micro"
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"
`})
}

func benchGoogle(ctx context.Context, s *stand) ([]row, error) {
	return s.benchCloud(ctx, cloudBench{builder: "googlecompute", time: 13700 * time.Millisecond,
		made: "running, ssh, stopping (an image is made of a disk that nobody writes to), image, and the operation that takes its expiry away", asks: []string{"gce."}, source: `
  project_id          = "bench"
  zone                = "europe-west1-b"
  source_image_family = "debian-12"
  image_name          = "bench-%d-${uuidv4()}"
  ssh_username        = "debian"
`})
}

// benchCloud measures what a build costs beside what the cloud takes for
// itself, from the start of the process until the image is printed. The machine
// goes away behind that.
func (s *stand) benchCloud(ctx context.Context, b cloudBench) ([]row, error) {
	c, end, err := s.startSandbox(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	single, err1 := s.write("one.pkr.hcl", b.template(1))
	fleet, err2 := s.write("fleet.pkr.hcl", b.template(cloudFleet))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rate, asks := 0.0, "" // the highest of all rounds, and what was asked then
	one := &side{name: "one build", turn: s.untilImages(single, 1)}
	many := &side{name: fmt.Sprintf("%d builds", cloudFleet), turn: func(ctx context.Context) (sample, error) {
		if err := c.SetFaults(ctx, sandbox.Wrong{}); err != nil { // forgets the calls seen
			return sample{}, err
		}
		got, err := s.untilImages(fleet, cloudFleet)(ctx)
		if err != nil {
			return got, err
		}
		calls, err := c.Calls(ctx)
		n, which := b.asked(calls)
		if now := float64(n) / got.time.Seconds(); now > rate {
			rate, asks = now, which
		}
		return got, err
	}}
	self := &side{name: "the sandbox itself", turn: func(context.Context) (sample, error) { return sample{time: b.time}, nil }}
	if err := s.compare(ctx, one, many, self); err != nil {
		return nil, err
	}
	alone := newRow("one", one, self, 1.1, fmt.Sprintf("the peer is what nobody can avoid with %s: %s", cloudTiming, b.made))
	together := newRow(fmt.Sprint(cloudFleet), many, one, 1.3)
	asked := row{Bench: "asked", Unit: "1/s", Ours: rate, Peer: cloudDescribes, Who: "the bar itself; calls that only ask, of all builds", Bar: 1, Notes: []string{asks}}
	memory := row{Bench: "memory", Unit: "B", Ours: float64(many.peak()), Peer: cloudMemory, Who: "the bar itself; peak resident", Bar: 1}
	return []row{alone, together, asked.judged(), memory.judged()}, nil
}

func (b cloudBench) template(n int) string {
	var text strings.Builder
	var names []string
	for i := range n {
		fmt.Fprintf(&text, "source %q \"m%02d\" {%s}\n", b.builder, i, fmt.Sprintf(b.source, i))
		names = append(names, fmt.Sprintf("\"source.%s.m%02d\"", b.builder, i))
	}
	fmt.Fprintf(&text, `
build {
  sources = [%s]

  provisioner "shell" { inline = ["uname -a"] }
}
`, strings.Join(names, ", "))
	return text.String()
}

// asked counts the calls that only ask, in all and by name.
func (b cloudBench) asked(calls []string) (int, string) {
	n, by := 0, map[string]int{}
	for _, c := range calls {
		for _, prefix := range b.asks {
			if strings.HasPrefix(c, prefix) && !changes(c) {
				n++
				by[c]++
			}
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[name], name))
	}
	return n, strings.Join(parts, ", ")
}

// changes reports whether a call of Google's does more than ask.
func changes(call string) bool {
	method := call[strings.LastIndex(call, ".")+1:]
	for _, verb := range []string{"insert", "delete", "set", "stop", "start", "deprecate", "patch", "add", "detach", "attach", "import"} {
		if strings.HasPrefix(method, verb) {
			return true
		}
	}
	return false
}

// startSandbox starts a sandbox of the bench's own.
func (s *stand) startSandbox(ctx context.Context) (*sandbox.Client, func(), error) {
	cache := s.path("home", "cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, nil, err
	}
	if bases := os.Getenv("INGOT_TEST_BASES"); bases != "" {
		if err := os.Symlink(bases, filepath.Join(cache, "bases")); err != nil {
			return nil, nil, err
		}
	}
	s.say("starting the sandbox")
	if _, err := s.output(ctx, s.ingot, "sandbox", "up", "-timing", cloudTiming); err != nil {
		return nil, nil, err
	}
	end := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if _, err := s.output(ctx, s.ingot, "sandbox", "down"); err != nil {
			s.say("%v", err)
		}
	}
	d := &sandbox.Daemon{Dir: filepath.Join(cache, "sandbox")}
	c, err := d.Find(ctx)
	if err != nil {
		end()
	}
	return c, end, err
}

// untilImages is a turn that runs a template until the last of its images is
// printed. It ends when the process does.
func (s *stand) untilImages(template string, images int) turn {
	return func(ctx context.Context) (sample, error) {
		cmd := group(exec.CommandContext(ctx, s.ingot, "build", "-sandbox", "-force", template))
		cmd.Dir, cmd.Env = s.dir, s.env()
		var text bytes.Buffer
		out, err := cmd.StdoutPipe()
		if err != nil {
			return sample{}, err
		}
		cmd.Stderr = &text
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			return sample{}, err
		}
		var last time.Duration
		seen := 0
		lines := bufio.NewScanner(io.TeeReader(out, &text))
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "--> ") {
				seen, last = seen+1, time.Since(begin)
			}
		}
		err = errors.Join(lines.Err(), cmd.Wait())
		if ctx.Err() != nil {
			return sample{}, ctx.Err()
		}
		if err == nil && seen != images {
			err = fmt.Errorf("%d of %d images", seen, images)
		}
		if err != nil {
			return sample{}, fmt.Errorf("%s: %w%s", template, err, lastLines(text.Bytes()))
		}
		return sample{time: last, peak: peak(cmd.ProcessState)}, nil
	}
}
