package amazon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

const home = "us-east-1"

// lab is a cloud with what a build has made in it.
type lab struct {
	*amazontest.Cloud
	t   *testing.T
	env builders.Env
}

func newLab(t *testing.T, rules ...fault.Rule) *lab {
	t.Helper()
	return &lab{Cloud: amazontest.Start(t, rules...), t: t,
		env: builders.Env{RunID: "run-1", Build: "amazon-ebs.web", Log: event.Log{}, Journal: journal.Open(t.TempDir(), "run-1")}}
}

func (l *lab) source() *source {
	l.t.Helper()
	a, err := AccessConfig{Region: home}.Open(l.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	return &source{access: a, run: RunDefaults()}
}

func (l *lab) region(name string) *Region {
	l.t.Helper()
	r, err := l.source().access.Region(l.t.Context(), name)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// volume makes a volume with tags.
func (l *lab) volume(region string, tags map[string]string) string {
	l.t.Helper()
	v, err := l.region(region).EC2.CreateVolume(l.t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: aws.String(region + "a"),
		Size: aws.Int32(1), TagSpecifications: tagSpec(types.ResourceTypeVolume, tags)})
	if err != nil {
		l.t.Fatal(err)
	}
	return *v.VolumeId
}

func (l *lab) snapshot(region string, tags map[string]string) string {
	l.t.Helper()
	volume := l.volume(region, nil)
	c := l.region(region).EC2
	s, err := c.CreateSnapshot(l.t.Context(), &ec2.CreateSnapshotInput{VolumeId: &volume, TagSpecifications: tagSpec(types.ResourceTypeSnapshot, tags)})
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := c.DeleteVolume(l.t.Context(), &ec2.DeleteVolumeInput{VolumeId: &volume}); err != nil {
		l.t.Fatal(err)
	}
	return *s.SnapshotId
}

// registered registers an image with tags, of one snapshot with the same tags.
func (l *lab) registered(region, name string, tags map[string]string) string {
	l.t.Helper()
	snapshot := l.snapshot(region, tags)
	out, err := l.region(region).EC2.RegisterImage(l.t.Context(), &ec2.RegisterImageInput{Name: &name, RootDeviceName: aws.String("/dev/xvda"),
		Architecture: types.ArchitectureValuesX8664, VirtualizationType: aws.String("hvm"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}},
		TagSpecifications:   tagSpec(types.ResourceTypeImage, tags)})
	if err != nil {
		l.t.Fatal(err)
	}
	return *out.ImageId
}

// built is an image as Seal leaves it: what it is made with carries all tags.
func (l *lab) built(name string, tags ...string) artifact.Artifact {
	l.t.Helper()
	all := marks(l.env, time.Hour, time.Now())
	for i := 0; i < len(tags); i += 2 {
		all[tags[i]] = tags[i+1]
	}
	id := l.registered(home, name, all)
	return artifact.Artifact{Builder: TypeEBS, Places: []artifact.Place{{Name: home, ID: id}},
		Labels: map[string]string{"source_ami": "ami-0base", "source_ami_name": "base", "source_ami_tag.Role": "ground", "region": home}}
}

func (l *lab) described(region, id string) types.Image {
	l.t.Helper()
	img, ok, err := l.region(region).present(l.t.Context(), id)
	if err != nil || !ok {
		l.t.Fatalf("%s in %s: %v, %v", id, region, ok, err)
	}
	return img
}

func (l *lab) distribution(c AMIConfig) distribution {
	s := l.source()
	return distribution{from: s, ami: c, tags: imageTags{ami: c, run: s.run}}
}

// sweep runs a sweep and returns what it found, as "kind id".
func (l *lab) sweep(in builders.SweepInput) []string {
	l.t.Helper()
	var out []string
	in.Found = func(r journal.Resource, err error) {
		if err != nil {
			l.t.Errorf("%s %s: %v", r.Kind, r.ID, err)
		}
		out = append(out, r.Kind+" "+r.ID)
	}
	if err := Sweeper().Sweep(context.Background(), l.Host, in); err != nil {
		l.t.Error(err)
	}
	slices.Sort(out)
	return out
}

func (l *lab) images(region string) []string {
	l.t.Helper()
	list, err := findImages(l.t.Context(), l.region(region), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	var ids []string
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	return ids
}

// front puts a server in front of the sandbox that answers requests itself,
// where answer has something to say.
func (l *lab) front(answer func(form url.Values) string) {
	l.t.Helper()
	behind, err := url.Parse(l.Host.Sandbox.AWS)
	if err != nil {
		l.t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(behind)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		if text := answer(form); text != "" {
			fmt.Fprintf(w, `<%[1]sResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">%[2]s</%[1]sResponse>`, form.Get("Action"), text)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	l.t.Cleanup(front.Close)
	l.Host.Sandbox.AWS = front.URL
}

// wire keeps what is asked for.
type wire struct {
	mu    sync.Mutex
	forms []url.Values
}

// listen keeps each request from now on.
func (l *lab) listen() *wire {
	l.t.Helper()
	w := &wire{}
	l.front(func(form url.Values) string {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.forms = append(w.forms, form)
		return ""
	})
	return w
}

// last returns the parameters of the last request for an action, nil where
// there was none.
func (w *wire) last(action string) url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, form := range slices.Backward(w.forms) {
		if form.Get("Action") == action {
			return form
		}
	}
	return nil
}
