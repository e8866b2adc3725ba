package ui

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

const (
	password = `pa"ss,wo'rd/+`
	pem      = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"
)

// spilling is a run that has a text in every place an event has for text.
func spilling(text string) []event.Event {
	err := &adviceError{"run: " + text, "try " + text}
	return clocked([]event.Event{
		{Body: event.RunStarted{RunID: text, Builds: []string{"null.a", "null." + text}}},
		{Build: "null." + text, Body: event.Say{Text: "in the address"}},
		{Build: "null.a", Body: event.Phase{Name: text, Detail: text}},
		{Build: "null.a", Body: event.Phase{Name: "provision", Detail: text, Step: 1, Steps: 1}},
		{Build: "null.a", Body: event.Phase{Name: "post-process", Detail: text}},
		{Build: "null.a", Body: event.Say{Text: text}},
		{Build: "null.a", Body: event.Output{Text: "x" + text + "y"}},
		{Build: "null.a", Body: event.Output{Text: text, Stderr: true}},
		{Build: "null.a", Body: event.Output{Text: text[:4] + "\x1b[1m" + text[4:]}},
		{Build: "null.a", Body: event.Warning{Text: text}},
		{Build: "null.a", Body: event.Skipped{Why: text, Version: text}},
		{Build: "null.a", Body: event.StepDone{Step: 1, Name: text}},
		{Build: "null.a", Body: event.StepDone{Step: 1, Name: text, Cached: true}},
		{Body: event.Output{Text: text}},
		{Body: event.Failed{Err: err}},
		{Build: "null.a", Body: event.BuildDone{
			Artifacts: []artifact.Artifact{{
				Builder: text, ID: text, Text: text, Arch: text, Tags: []string{text},
				Places: []artifact.Place{{Name: text, ID: text}}, Files: []artifact.File{{Path: text}},
				Labels: map[string]string{"label": text, text: "name"},
			}, {ID: text}},
			Times: []event.Time{{Phase: text, Took: 1}}, Log: text,
		}},
		{Build: "null.b", Body: event.Failed{Err: errors.Join(err)}},
		{Build: "null.b", Body: event.BuildDone{Err: err, Log: text, Times: []event.Time{{Phase: text, Took: 1}}}},
		{Body: event.Published{Registry: text, Bucket: text, Version: text, Channels: []string{text}}},
		{Body: event.RunDone{Failed: []string{text}}},
	})
}

// disguises are the forms in which a secret gets into a log.
func disguises(s string) map[string]string {
	return map[string]string{
		"as it is": s,
		"base64":   base64.StdEncoding.EncodeToString([]byte(s)),
		"raw URL":  base64.RawURLEncoding.EncodeToString([]byte(s)),
		"query":    url.QueryEscape(s),
		"path":     url.PathEscape(s),
		"quoted":   "'" + strings.ReplaceAll(s, "'", `'\''`) + "'",
	}
}

func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	var secrets secret.Set
	secrets.Add(password)
	secrets.Add(pem)
	texts := disguises(password)
	texts["many lines"] = pem
	for form, text := range texts {
		events := spilling(text)
		for name, view := range views {
			for _, colour := range []bool{false, true} {
				var buf bytes.Buffer
				v := view(Options{Out: &buf, Secrets: &secrets, Color: colour})
				for _, e := range events {
					v.Emit(e)
				}
				hidden(t, name+", "+form, text, buf.String())
			}
		}
		hidden(t, "logs, "+form, text, logged(t, &secrets, events))
		hidden(t, "terminal, "+form, text, drawn(t, &secrets, events))
	}
}

// hidden checks that no line of text is in what a consumer wrote, also not in
// the forms that JSON and the machine-readable lines give it.
func hidden(t *testing.T, name, text, wrote string) {
	t.Helper()
	if !strings.Contains(wrote, secret.Redacted) {
		t.Errorf("%s: nothing redacted in\n%s", name, wrote)
	}
	bare := strip(wrote, false)
	for line := range strings.SplitSeq(text, "\n") {
		for _, form := range []string{line, strings.ReplaceAll(line, `"`, `\"`), strings.ReplaceAll(line, ",", "%!(PACKER_COMMA)")} {
			if strings.Contains(wrote, form) || strings.Contains(bare, form) {
				t.Errorf("%s: %q is in\n%s", name, form, wrote)
			}
		}
	}
}

func logged(t *testing.T, secrets *secret.Set, events []event.Event) string {
	dir := t.TempDir()
	logs := Logs(Options{LogDir: dir, Secrets: secrets})
	for _, e := range events {
		if !strings.Contains(e.Build, "word") && !strings.Contains(e.Build, "KEY") { // a file's name is no text
			logs.Emit(e)
		}
	}
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no log files", err)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

// drawn returns what the live view writes: each event is a frame.
func drawn(t *testing.T, secrets *secret.Set, events []event.Event) string {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	v := Terminal(Options{Secrets: secrets, Color: true, LogDir: "logs"}, nil, out).(*terminal)
	for i, e := range events {
		if i == len(events)/2 {
			v.press('l')
		}
		v.Emit(e)
		v.frame(true)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
