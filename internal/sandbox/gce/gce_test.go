package gce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// memory is a host whose machines do nothing.
type memory struct {
	mu       sync.Mutex
	next     uint32
	machines map[string]*idle
	layers   map[host.LayerID]bool
	disks    map[string]bool
	frozen   int
}

func newMemory() *memory {
	return &memory{machines: map[string]*idle{}, layers: map[host.LayerID]bool{}, disks: map[string]bool{}}
}

// idle is one of those.
type idle struct {
	spec  host.Spec
	done  chan struct{}
	once  sync.Once
	exit  host.Exit
	mu    sync.Mutex
	users []host.User
}

func (m *memory) Base(_ context.Context, b host.Base, _ io.Writer) (host.LayerID, error) {
	return host.LayerID("base-" + b.Suite), nil
}

func (m *memory) Address() (netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	return netip.AddrFrom4([4]byte{127, 77, byte(m.next >> 8), byte(m.next)}), nil
}

func (m *memory) Start(_ context.Context, s host.Spec) (host.Machine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := &idle{spec: s, done: make(chan struct{}), users: s.Users}
	m.machines[s.ID], m.disks[s.ID] = i, true
	return i, nil
}

func (m *memory) Freeze(_ context.Context, id string) (host.LayerID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.disks[id] {
		return "", fmt.Errorf("no disk %s", id)
	}
	m.frozen++
	l := host.LayerID(fmt.Sprintf("layer-%d", m.frozen))
	m.layers[l] = true
	return l, nil
}

func (m *memory) WriteDisk(_ context.Context, _ []host.LayerID, file string, size int64) error {
	return os.WriteFile(file, nil, 0o600)
}

func (m *memory) Console(id string) ([]byte, error) { return []byte("console of " + id + "\n"), nil }

func (m *memory) Remove(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.disks, id)
	return nil
}

func (m *memory) RemoveLayer(l host.LayerID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.layers, l)
	return nil
}

func (m *memory) Close() error { return nil }

// machine returns the one whose host name is this.
func (m *memory) machine(name string) *idle {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.machines {
		if i.spec.Hostname == name {
			return i
		}
	}
	return nil
}

func (i *idle) Done() <-chan struct{} { return i.done }
func (i *idle) Exit() host.Exit       { return i.exit }
func (i *idle) end(how host.Exit) {
	i.once.Do(func() {
		i.exit = how
		close(i.done)
	})
}
func (i *idle) Stop(context.Context) error { i.end(host.Halted); return nil }
func (i *idle) Kill()                      { i.end(host.Killed) }
func (i *idle) Reopen()                    {}

func (i *idle) SetUsers(u []host.User) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.users = u
	return nil
}

func (i *idle) has(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.users, func(u host.User) bool { return u.Name == name })
}

// bench is a server with a client of the official library.
type bench struct {
	*compute.Service
	t      *testing.T
	dir    string
	host   host.Host
	memory *memory
	faults *fault.Set
	server *Server
	url    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	m := newMemory()
	b := &bench{t: t, dir: t.TempDir(), host: m, memory: m, faults: &fault.Set{}}
	b.open(timing.Zero())
	return b
}

// open starts the server, which checks each of its responses.
func (b *bench) open(times timing.Timing) {
	b.t.Helper()
	s, err := New(Options{Dir: b.dir, Host: b.host, Timing: times, Faults: b.faults})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = s
	front := httptest.NewServer(checked(b.t, s))
	b.url = front.URL
	b.t.Cleanup(func() {
		front.Close()
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
	client := &http.Client{Transport: withToken{}}
	b.Service, err = compute.NewService(context.Background(), option.WithEndpoint(front.URL+"/compute/v1/"), option.WithHTTPClient(client))
	if err != nil {
		b.t.Fatal(err)
	}
}

type withToken struct{}

func (withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer ya29.test")
	return http.DefaultTransport.RoundTrip(r)
}

// checked fails the test on a response that the discovery document does not have.
func checked(t *testing.T, s *Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, _, _ := s.api.Route(r)
		if method == nil {
			s.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if rec.Code == 200 {
			if err := s.api.Response(method, bytes.TrimSpace(rec.Body.Bytes())); err != nil {
				t.Errorf("response of %s: %v\n%s", method.ID, err, rec.Body)
			}
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

const (
	proj = "acme-images"
	zone = "us-central1-a"
)

// done waits for an operation of any kind.
func (b *bench) done(op *compute.Operation, err error) *compute.Operation {
	b.t.Helper()
	if op = b.ended(op, err); op.Error != nil {
		b.t.Fatalf("%s: %+v", op.OperationType, *op.Error.Errors[0])
	}
	return op
}

func (b *bench) ended(op *compute.Operation, err error) *compute.Operation {
	b.t.Helper()
	for err == nil && op.Status != "DONE" {
		switch {
		case op.Zone != "":
			op, err = b.ZoneOperations.Wait(proj, last(op.Zone), op.Name).Do()
		case op.Region != "":
			op, err = b.RegionOperations.Wait(proj, last(op.Region), op.Name).Do()
		default:
			op, err = b.GlobalOperations.Wait(proj, op.Name).Do()
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return op
}

func text(s string) *string { return &s }

// small is an instance as builders make them.
func small(name string) *compute.Instance {
	return &compute.Instance{
		Name: name, MachineType: "zones/" + zone + "/machineTypes/e2-standard-2",
		Disks: []*compute.AttachedDisk{{Boot: true, AutoDelete: true, InitializeParams: &compute.AttachedDiskInitializeParams{
			SourceImage: "projects/debian-cloud/global/images/family/debian-12", DiskSizeGb: 20, DiskType: "zones/" + zone + "/diskTypes/pd-ssd"}}},
		NetworkInterfaces: []*compute.NetworkInterface{{Network: "global/networks/default", AccessConfigs: []*compute.AccessConfig{{Name: "nat", Type: "ONE_TO_ONE_NAT"}}}},
		Metadata:          &compute.Metadata{Items: []*compute.MetadataItems{{Key: "ssh-keys", Value: text("ann:ssh-ed25519 AAAA ann")}}},
		Labels:            map[string]string{"ingot-run": "r1"},
	}
}

func (b *bench) insert(in *compute.Instance) *compute.Instance {
	b.t.Helper()
	b.done(b.Instances.Insert(proj, zone, in).Do())
	return b.instance(in.Name)
}

func (b *bench) instance(name string) *compute.Instance {
	b.t.Helper()
	in, err := b.Instances.Get(proj, zone, name).Do()
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

// refused checks an error of the API.
func (b *bench) refused(err error, status int, reason, message string) {
	b.t.Helper()
	var e *googleapi.Error
	if !errors.As(err, &e) {
		b.t.Errorf("got %v, want an error with %q", err, message)
		return
	}
	if e.Code != status || len(e.Errors) != 1 || e.Errors[0].Reason != reason || !strings.Contains(e.Message, message) {
		b.t.Errorf("got %d %v %q, want %d %s %q", e.Code, e.Errors, e.Message, status, reason, message)
	}
}

func (b *bench) inventory(want ...string) {
	b.t.Helper()
	if got := b.server.Inventory(); !slices.Equal(got, want) {
		b.t.Errorf("inventory:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// eventually waits for something that follows without an operation.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

func TestImageFromInstance(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.insert(small("web"))
	if in.Status != "RUNNING" || in.NetworkInterfaces[0].AccessConfigs[0].NatIP == "" || in.NetworkInterfaces[0].NetworkIP == "" {
		t.Errorf("instance: %s %+v", in.Status, in.NetworkInterfaces[0])
	}
	m := b.memory.machine("web")
	if m == nil || !m.has("ann") || len(m.spec.Addrs) != 2 {
		t.Fatalf("machine: %+v", m)
	}
	// Its disk is in use while it runs.
	img := &compute.Image{Name: "web-1", SourceDisk: in.Disks[0].Source, Family: "web", Labels: map[string]string{"a": "b"}}
	_, err := b.Images.Insert(proj, img).Do()
	b.refused(err, 400, "resourceInUseByAnotherResource", "already being used by")
	b.done(b.Instances.SetDiskAutoDelete(proj, zone, "web", false, "persistent-disk-0").Do())
	b.done(b.Instances.Delete(proj, zone, "web").Do())
	b.done(b.Images.Insert(proj, img).Do())
	b.done(b.Disks.Delete(proj, zone, "web").Do())
	b.inventory("gce acme-images/global/images/web-1 (ready)")

	got, err := b.Images.GetFromFamily(proj, "web").Do()
	if err != nil || got.Name != "web-1" || got.DiskSizeGb != 20 || got.Status != "READY" || len(got.Licenses) != 1 {
		t.Errorf("image: %+v, %v", got, err)
	}
	second := small("second")
	second.Disks[0].InitializeParams.SourceImage = "global/images/web-1"
	b.insert(second)
	if layers := b.memory.machine("second").spec.Layers; !slices.Equal(layers, []host.LayerID{"base-bookworm", "layer-1"}) {
		t.Errorf("layers: %v", layers)
	}
	b.done(b.Images.Delete(proj, "web-1").Do())
	b.done(b.Instances.Delete(proj, zone, "second").Do())
	b.inventory()
	if len(b.memory.layers)+len(b.memory.disks) != 0 {
		t.Errorf("left on the host: %v %v", b.memory.layers, b.memory.disks)
	}
}
