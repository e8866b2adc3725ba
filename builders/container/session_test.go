package container

import (
	"errors"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// A base, a few steps and an image in the layout: the whole way.
func TestBuild(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Changes = []string{"CMD /srv/start", "ENV A=b"} })
	s := b.begin()
	b.apply(s, &op.Exec{
		Argv:   []string{"/tmp/script.sh", "argument"},
		Env:    map[string]secret.String{"NAME": secret.Plain("ingot")},
		Inputs: []op.File{{Path: "/tmp/script.sh", Mode: 0o755, Blob: op.Text(secret.Plain("#!/bin/sh -e\necho hello $NAME $1\necho made > /made\n"))}},
	})
	if !b.has("hello ingot argument") {
		t.Errorf("output: %q", b.output())
	}
	b.apply(s, sh("test -f /made && ! test -e /tmp/script.sh && ls -la /tmp"))
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %+v", a, a.Image)
	if ok, err := b.builder.Exists(t.Context(), a); !ok || err != nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := b.begin()
	err := try(t, s, sh("echo before; echo at fault >&2; exit 3"))
	var exit *builders.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Fatalf("got %v", err)
	}
	t.Log(err, b.output())
}
