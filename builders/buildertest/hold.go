package buildertest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// testHold leaves a machine to another builder, which finds on it what the
// first one did, and removes all of it in the end.
func testHold(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	dir, out := t.TempDir(), &log{}
	env := builders.Env{RunID: "run-" + nonce(), Build: "builder.test", Log: event.Log{Build: t.Name(), Sink: out}}
	env.Journal = journal.Open(dir, env.RunID)
	b := h.New(t)
	base, err := b.Resolve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Begin(ctx, base, env)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, s: first, b: b, log: out, last: key.New("buildertest").Sum(), nonce: nonce()}
	file := "/tmp/ingot-held-" + nonce()
	s.must(s.shell("echo done >" + file))
	until := time.Now().Add(time.Hour)
	held, err := first.(builders.Holder).Hold(ctx, until)
	if err != nil {
		s.close()
		t.Fatal("hold: ", err)
	}
	s.close()
	if err := env.Journal.Hold(env.Build, until); err != nil {
		t.Fatal(err)
	}
	if err := env.Journal.Close(); err != nil {
		t.Fatal(err)
	}

	if env.Journal, err = journal.Resume(dir, env.RunID); err != nil {
		t.Fatal(err)
	}
	other := h.New(t)
	again, err := other.(builders.Resumer).Resume(ctx, base, held, env)
	if err != nil {
		t.Fatal("resume: ", err)
	}
	s = &session{t: t, s: again, b: other, log: out, last: s.last, nonce: nonce()}
	s.want("cat "+file+"; rm "+file, "done")
	if was, now := first.Vars(), again.Vars(); was[op.Scratch] != now[op.Scratch] || was["build.ID"] != now["build.ID"] || was["build.Host"] != now["build.Host"] {
		t.Errorf("another machine: %v, was %v", now, was)
	}
	s.close()
	if err := env.Journal.Free(env.Build); err != nil {
		t.Error(err)
	}
	if left := env.Journal.Left(); len(left) > 0 {
		t.Errorf("the journal has %v", left)
	}
	if err := env.Journal.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("files are left: %v", files)
	}
}
