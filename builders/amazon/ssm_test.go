package amazon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/ssh"
)

// fakePlugin puts a program in the place of AWS's.
func fakePlugin(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, plugin), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
}

func TestPluginMissing(t *testing.T) {
	fakePlugin(t, "")
	s := &source{network: NetworkConfig{SSHInterface: "session_manager"}}
	err := s.checkPlugin(t.Context())
	if err == nil || !strings.Contains(err.Error(), plugin+", which is not installed") || builders.Hint(err) == "" {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

// TestPlugin calls the plugin as AWS's own command line does, with the token of
// the session in no argument, and takes it for ready when it says so.
func TestPlugin(t *testing.T) {
	seen := filepath.Join(t.TempDir(), "seen")
	fakePlugin(t, `printf '%s\n' "$@" "$`+pluginAnswer+`" > `+seen+`
echo "Starting session with SessionId: s-1"
echo "Port 4711 opened for sessionId s-1."
echo "Waiting for connections..."
exec sleep 600
`)
	l := newLab(t)
	i := &instance{stay: l.source().newStay(l.region(home), l.env, l.publicImage(), nil), id: "i-1", key: ssh.Key{}}
	in := &ssm.StartSessionInput{Target: &i.id, DocumentName: aws.String("AWS-StartPortForwardingSession")}
	out := &ssm.StartSessionOutput{SessionId: aws.String("s-1"), StreamUrl: aws.String("wss://x"), TokenValue: aws.String("token")}
	s, err := i.runPlugin(t.Context(), in, out, 4711)
	if err != nil {
		t.Fatal(err)
	}
	if !s.alive() || s.port != 4711 {
		t.Errorf("%+v", s)
	}
	s.close()
	if s.alive() {
		t.Error("it goes on after it was closed")
	}
	args, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{pluginAnswer, home, "StartSession", "",
		`{"DocumentName":"AWS-StartPortForwardingSession","Parameters":null,"Target":"i-1"}`, l.Host.Sandbox.AWS,
		`{"SessionId":"s-1","StreamUrl":"wss://x","TokenValue":"token"}`, ""}, "\n")
	if string(args) != want {
		t.Errorf("it was called with\n%s\nwant\n%s", args, want)
	}
}

func TestPluginEnds(t *testing.T) {
	fakePlugin(t, `echo "SessionId: s-1 : Your session has been terminated"; exit 1`)
	l := newLab(t)
	i := &instance{stay: l.source().newStay(l.region(home), l.env, l.publicImage(), nil), id: "i-1"}
	_, err := i.runPlugin(context.Background(), &ssm.StartSessionInput{}, &ssm.StartSessionOutput{}, 4711)
	if err == nil || !strings.Contains(err.Error(), "Your session has been terminated") {
		t.Errorf("error %v", err)
	}
}
