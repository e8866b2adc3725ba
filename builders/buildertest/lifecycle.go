package buildertest

import (
	"context"
	"errors"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func testResolve(t *testing.T, h Harness) {
	first, err := h.New(t).Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.ID == "" || first.Name == "" {
		t.Errorf("the base has no id or no name: %+v", first)
	}
	h.checkLeaks(t) // it changes nothing
	b := h.New(t)
	for range 2 {
		again, err := b.Resolve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again.ID != first.ID {
			t.Errorf("resolved to %s, then to %s", first.ID, again.ID)
		}
	}
}

func testBrokenBegin(t *testing.T, h Harness) {
	b := h.Broken(t)
	base, err := b.Resolve(t.Context())
	if err != nil {
		return // it noticed before it began
	}
	s, err := b.Begin(t.Context(), base, builders.Env{RunID: nonce()})
	if err == nil {
		_ = s.Close(context.WithoutCancel(t.Context()))
		t.Fatal("begin succeeded")
	}
}

func testCancelledBegin(t *testing.T, h Harness) {
	b := h.New(t)
	base, err := b.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := b.Begin(ctx, base, builders.Env{RunID: nonce()})
	if err == nil { // it had nothing to wait for
		err = s.Close(context.WithoutCancel(ctx))
		if err != nil {
			t.Error(err)
		}
	}
}

func testClose(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	s.close()
	s.close()
}

func testScratch(t *testing.T, h Harness) {
	a, b := begin(t, h.New(t)), begin(t, h.New(t))
	x, y := a.s.Vars()[op.Scratch].Reveal(), b.s.Vars()[op.Scratch].Reveal()
	// Where steps are known by what they are, the name is a part of that: such
	// sessions have file systems of their own and may have the same name.
	if _, layered := a.b.(builders.Layered); x == "" || x == y && !layered {
		t.Errorf("scratch names are %q and %q", x, y)
	}
	for _, r := range x {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			t.Errorf("scratch name %q has more than letters and digits", x)
		}
	}
}

func testPause(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	s.must(&op.Pause{For: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.apply(ctx, &op.Pause{For: 1000 * enough}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled pause: %v", err)
	}
}

func testLocal(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	path := op.Token(op.LocalDir) + "/script"
	s.must(&op.Local{
		Argv:   []string{path, op.Token(op.Scratch)},
		Env:    map[string]secret.String{"GREETING": secret.Plain("hello")},
		Inputs: []op.File{{Path: path, Blob: op.Text(secret.Plain("#!/bin/sh\necho $GREETING $1\n"))}},
	})
	stdout, _ := s.log.take()
	if want := "hello " + s.s.Vars()[op.Scratch].Reveal(); len(stdout) != 1 || stdout[0] != want {
		t.Errorf("printed %q, want %q", stdout, want)
	}
	var exit *builders.ExitError
	if err := s.apply(t.Context(), &op.Local{Argv: []string{"/bin/sh", "-c", "exit 3"}}); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("a command of this host that fails: %v", err)
	}
}

func testSeal(t *testing.T, h Harness) {
	b := h.New(t)
	s := begin(t, b)
	if b.Supports(op.KindExec) == nil {
		s.must(s.shell("echo sealed > /tmp/ingot-seal; rm /tmp/ingot-seal"))
	}
	a, err := s.s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Builder == "" || a.ID == "" {
		t.Errorf("the artifact has no builder or no id: %+v", a)
	}
	s.close()
	for _, b := range []builders.Builder{b, h.New(t)} {
		if found, err := b.Exists(t.Context(), a); err != nil || !found {
			t.Errorf("exists: %v, %v", found, err)
		}
	}
	other := a
	other.ID, other.Places, other.Image, other.Files = "sha256:0", nil, nil, nil
	if found, err := b.Exists(t.Context(), other); err == nil && found {
		t.Errorf("an artifact that was never made exists")
	}
}

func testReopen(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	text := nonce()
	s.must(&op.Put{File: op.File{Path: "/var/tmp/ingot-test/baked", Mode: 0o640, Blob: op.Text(secret.Plain(text))}})
	a, err := s.s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	again := begin(t, h.Reopen(t, a))
	again.want("cat /var/tmp/ingot-test/baked; echo; stat -c %a /var/tmp/ingot-test/baked", text+"\n640")
}
