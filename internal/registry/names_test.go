package registry

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/internal/artifact"
)

func digestOf(text string) digest.Digest { return digest.Digest(text) }

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, want, folder string
		plain              bool
		bad                string
	}{
		{text: "ghcr.io/acme/images", want: "ghcr.io/acme/images"},
		{text: "https://ghcr.io/acme/", want: "ghcr.io/acme"},
		{text: "registry.example.com", want: "registry.example.com"},
		{text: "localhost/x", want: "localhost/x", plain: true},
		{text: "localhost:5000/x", want: "localhost:5000/x", plain: true},
		{text: "127.0.0.1:5000/x", want: "127.0.0.1:5000/x", plain: true},
		{text: "[::1]:5000/x", want: "[::1]:5000/x", plain: true},
		{text: "https://localhost:5000/x", want: "localhost:5000/x"},
		{text: "http://10.0.0.1:5000/x", want: "10.0.0.1:5000/x", plain: true},
		{text: "10.0.0.1:5000/x", want: "10.0.0.1:5000/x"},
		{text: "oci:some/dir", folder: "some/dir"},
		{text: "./registry.d", folder: "./registry.d"},
		{text: "../x", folder: "../x"},
		{text: "/var/lib/images", folder: "/var/lib/images"},
		{text: "images/web", folder: "images/web"},
		{text: "", folder: ""},
		{text: "oci:", bad: "the folder is missing"},
		{text: "docker://x.io/y", bad: "no scheme docker"},
		{text: "ghcr.io/Acme", bad: "prefix is not valid"},
		{text: "ghcr.io/acme:tag", bad: "prefix is not valid"},
		{text: "https://me:hunter2@ghcr.io/acme", bad: `registry address "ghcr.io/acme": it has no login in it`},
		{text: "me:hunter2@ghcr.io/acme", bad: `registry address "ghcr.io/acme": it has no login in it`},
		{text: "exa mple.com/acme", bad: "host is not valid"},
	} {
		a, err := parseAddress(tt.text)
		if tt.bad != "" {
			checkError(t, err, tt.bad, "")
			continue
		}
		if err != nil || a.dir != tt.folder || a.host != "" && a.String() != tt.want || (a.host == "") != (tt.want == "") || a.plain != tt.plain {
			t.Errorf("%q: %+v, %v", tt.text, a, err)
		}
	}
}

func TestOpenPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := open(t, "oci:"+dir, "elsewhere"); r.Layout() != dir || r.Address() != dir || r.Remote() || r.Reference("web", "1") != "" {
		t.Errorf("%s, %s", r.Layout(), r.Address())
	}
	r := open(t, "ghcr.io/acme", dir)
	if r.Layout() != dir || r.Reference("web", "1") != "ghcr.io/acme/web:1" {
		t.Errorf("%s, %s", r.Layout(), r.Reference("web", "1"))
	}
	if r := open(t, "", ""); !strings.HasSuffix(r.Layout(), filepath.FromSlash("/"+DefaultLayout)) || r.Address() != DefaultLayout {
		t.Errorf("%s, %s", r.Layout(), r.Address())
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 129)
	for _, tt := range []struct {
		name                     string
		version, channel, bucket bool
	}{
		{"1.4.0", true, true, true},
		{"production", true, true, true},
		{"latest", false, true, true},
		{"_x", true, true, false},
		{"Web", true, true, false},
		{"team/web", false, false, true},
		{"team/web__x--y", false, false, true},
		{"", false, false, false},
		{".x", false, false, false},
		{"-x", false, false, false},
		{"a b", false, false, false},
		{"a:b", false, false, false},
		{"../x", false, false, false},
		{"a/../x", false, false, false},
		{"/x", false, false, false},
		{"a//b", false, false, false},
		{"x\n", false, false, false},
		{"key-1", false, false, true},
		{"channel.x", false, false, true},
		{"published.x", false, false, true},
		{"sha256-x", false, false, true},
		{long[:128], true, false, true},
		{long[:80], true, true, true},
		{long, false, false, false},
	} {
		for kind, check := range map[string]struct {
			err  error
			want bool
		}{
			"version": {ValidVersion(tt.name), tt.version},
			"channel": {ValidChannel(tt.name), tt.channel},
			"bucket":  {ValidBucket(tt.name), tt.bucket},
		} {
			if (check.err == nil) != check.want {
				t.Errorf("%s %q: %v", kind, tt.name, check.err)
			}
			if check.err != nil {
				checkError(t, check.err, "not a valid name", "")
			}
		}
	}
}

func TestDefaultName(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 8, 5, 10, 15, 30, 123_000_000, time.FixedZone("", 7200))
	a, b := DefaultName(at, keyOf("x")), DefaultName(at.Add(time.Second), keyOf("a"))
	if want := "20260805-081530.123-" + keyOf("x").Short(); a != want {
		t.Errorf("%s, want %s", a, want)
	}
	if a >= b || ValidVersion(a) != nil || ValidVersion(DefaultName(at, "")) != nil {
		t.Errorf("%s, %s", a, b)
	}
}

func TestMoveTag(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"production", "a.b.c", strings.Repeat("x", longestChannel)} {
		tag := moveTag(channel, time.Now(), token())
		if got, ok := movedChannel(tag); !ok || got != channel || !tagPattern.MatchString(tag) {
			t.Errorf("%s: %s, %v", tag, got, ok)
		}
	}
	if tag := publishedTag("x", time.Now(), token()); claimOf(tag) == "" || !tagPattern.MatchString(tag) || publishedAt(tag).IsZero() {
		t.Error(tag)
	}
}

func TestWaitForTurn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	mine := publishedTag("x", now, "mmmmmmmm")
	earlier, later := publishedTag("x", now.Add(-time.Second), "eeeeeeee"), publishedTag("x", now.Add(time.Second), "llllllll")
	stale, other := publishedTag("x", now.Add(-time.Hour), "ssssssss"), publishedTag("y", now, "oooooooo")
	for _, tt := range []struct {
		tags []string
		want time.Duration
	}{
		{[]string{mine, stale, other, "1.4.0"}, 0},
		{[]string{mine, later}, claimTurn},
		{[]string{mine, earlier}, 2 * claimTurn},
		{[]string{mine, earlier, later}, 2 * claimTurn},
	} {
		if got := waitFor(mine, tt.tags); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.tags, got, tt.want)
		}
	}
}

func TestChannels(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx := context.Background()
		for _, name := range []string{"1.0.0", "1.1.0"} {
			if _, _, err := r.Publish(ctx, Version{Bucket: "web", Name: name, Records: []artifact.Record{machine("null.web", name)}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, to := range []string{"1.0.0", "1.1.0", "1.1.0", "1.0.0"} {
			if _, err := r.Promote(ctx, "web", to, "production", Ask{By: "ali", Untested: true}); err != nil {
				t.Fatal(err)
			}
		}
		channels, err := r.Channels(ctx, "web")
		if err != nil || len(channels) != 1 || channels["production"] != "1.0.0" {
			t.Errorf("channels: %v, %v", channels, err)
		}
		moves, err := r.History(ctx, "web", "production")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range moves {
			got = append(got, m.From+">"+m.To+" "+m.By)
		}
		if want := "1.1.0>1.0.0 ali, 1.0.0>1.1.0 ali, >1.0.0 ali"; strings.Join(got, ", ") != want {
			t.Errorf("history %v, want %s", got, want)
		}
		latest, _, err := r.Latest(ctx, "web")
		if err != nil || latest.Name != "1.1.0" || len(latest.Channels) != 0 {
			t.Errorf("latest: %+v, %v", latest, err)
		}
		_, err = r.Promote(ctx, "web", "1.1.0", "1.0.0", Ask{Untested: true})
		checkError(t, err, "there is a version of that name", "another name")
		_, err = r.Promote(ctx, "web", "9.9.9", "edge", Ask{Untested: true})
		checkError(t, err, "no such version or channel", "list web")
		_, _, err = r.Publish(ctx, Version{Bucket: "web", Name: "production"})
		checkError(t, err, "the name is a channel's", "another name")
		_, _, err = r.Publish(ctx, Version{Bucket: "web", Name: "2.0.0", Channels: []string{"1.0.0"}})
		checkError(t, err, "there is a version of that name", "another name")
		if _, ok, err := r.Version(ctx, "web", "2.0.0"); ok || err != nil {
			t.Errorf("2.0.0 was published: %v, %v", ok, err)
		}
	})
}
