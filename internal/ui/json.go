package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

// JSON returns the view that writes one JSON object a line. Fields are only
// ever added, and those that a type does not have are left out:
//
//	time      when it happened: RFC 3339, UTC
//	type      one of those below
//	build     address of the build; absent where it is about the run
//
//	run_started  run_id, builds
//	phase        phase, detail, step, steps
//	say          text
//	output       text (one line), stream ("stdout" or "stderr")
//	warning      text
//	error        error, hint
//	skipped      text (why), version
//	step_done    step, name, cached, seconds
//	test_done    name, ok, cached (it passed before and was not run), seconds, error, cases ([{name, ok, detail}])
//	build_done   ok, seconds, artifacts, times ([{phase, seconds}]), error, hint, log
//	cleaned_up   ok, seconds, error, hint
//	published    registry, bucket, version, channels, new
//	results      ok, seconds, failed, cancelled, cleaning (builds; only where some are still cleaned up)
//	run_done     ok, seconds, failed, cancelled
func JSON(o Options) View {
	j := &jsonLines{secrets: o.Secrets, logDir: o.LogDir}
	j.out.w = o.Out
	return j
}

type jsonLines struct {
	steady
	secrets *secret.Set
	logDir  string
}

// object is one line. Pointers tell "false" and 0 from absent.
type object struct {
	Time      string           `json:"time"`
	Type      string           `json:"type"`
	Build     string           `json:"build,omitempty"`
	RunID     string           `json:"run_id,omitempty"`
	Builds    []string         `json:"builds,omitempty"`
	Phase     string           `json:"phase,omitempty"`
	Detail    string           `json:"detail,omitempty"`
	Step      int              `json:"step,omitempty"`
	Steps     int              `json:"steps,omitempty"`
	Name      string           `json:"name,omitempty"`
	Text      *string          `json:"text,omitempty"`
	Stream    string           `json:"stream,omitempty"`
	OK        *bool            `json:"ok,omitempty"`
	Cached    *bool            `json:"cached,omitempty"`
	Cancelled *bool            `json:"cancelled,omitempty"`
	Seconds   *float64         `json:"seconds,omitempty"`
	Error     string           `json:"error,omitempty"`
	Hint      string           `json:"hint,omitempty"`
	Registry  string           `json:"registry,omitempty"`
	Bucket    string           `json:"bucket,omitempty"`
	Version   string           `json:"version,omitempty"`
	Channels  []string         `json:"channels,omitempty"`
	New       *bool            `json:"new,omitempty"`
	Failed    []string         `json:"failed,omitempty"`
	Cleaning  []string         `json:"cleaning,omitempty"`
	Artifacts []any            `json:"artifacts,omitempty"`
	Cases     []testCaseObject `json:"cases,omitempty"`
	Times     []phaseTime      `json:"times,omitempty"`
	Log       string           `json:"log,omitempty"`
}

type phaseTime struct {
	Phase   string  `json:"phase"`
	Seconds float64 `json:"seconds"`
}

func (j *jsonLines) Emit(e event.Event) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	var err error
	for _, o := range j.objects(e) {
		o.Time, o.Build = e.Time.UTC().Format(time.RFC3339Nano), j.secrets.Redact(e.Build)
		err = errors.Join(err, enc.Encode(o))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.out.write(buf.Bytes())
	if j.out.err == nil {
		j.out.err = err
	}
}

// objects returns the lines of an event, redacted here: in the encoded text
// JSON's escapes could hide a secret from the one who looks for it.
func (j *jsonLines) objects(e event.Event) []object {
	switch b := e.Body.(type) {
	case event.RunStarted:
		return []object{{Type: "run_started", RunID: j.clean(b.RunID), Builds: j.all(b.Builds)}}
	case event.Phase:
		return []object{{Type: "phase", Phase: j.clean(b.Name), Detail: j.clean(b.Detail), Step: b.Step, Steps: b.Steps}}
	case event.Say:
		return []object{{Type: "say", Text: j.text(b.Text)}}
	case event.Output:
		return j.output(b)
	case event.Warning:
		return []object{{Type: "warning", Text: j.text(b.Text)}}
	case event.Failed:
		return []object{{Type: "error", Error: j.error(b.Err), Hint: j.clean(builders.Hint(b.Err))}}
	case event.Skipped:
		return []object{{Type: "skipped", Text: j.text(b.Why), Version: j.clean(b.Version)}}
	case event.StepDone:
		return []object{{Type: "step_done", Step: b.Step, Name: j.clean(b.Name), Cached: &b.Cached, Seconds: seconds(b.Took)}}
	case event.TestDone:
		return []object{j.testDone(b)}
	case event.BuildDone:
		return []object{j.buildDone(e.Build, b)}
	case event.CleanedUp:
		ok := b.Err == nil
		return []object{{Type: "cleaned_up", OK: &ok, Seconds: seconds(b.Took), Error: j.error(b.Err), Hint: j.clean(builders.Hint(b.Err))}}
	case event.Results:
		ok := len(b.Failed) == 0 && !b.Cancelled
		return []object{{Type: "results", OK: &ok, Seconds: seconds(b.Took), Failed: j.all(b.Failed), Cancelled: &b.Cancelled, Cleaning: j.all(b.Cleaning)}}
	case event.Published:
		return []object{{Type: "published", Registry: j.clean(b.Registry), Bucket: j.clean(b.Bucket),
			Version: j.clean(b.Version), Channels: j.all(b.Channels), New: &b.New}}
	case event.RunDone:
		ok := len(b.Failed) == 0 && !b.Cancelled
		return []object{{Type: "run_done", OK: &ok, Seconds: seconds(b.Took), Failed: j.all(b.Failed), Cancelled: &b.Cancelled}}
	}
	return nil
}

func (j *jsonLines) output(o event.Output) []object {
	stream := "stdout"
	if o.Stderr {
		stream = "stderr"
	}
	var out []object
	for _, line := range lines(o.Text, j.secrets, false) {
		out = append(out, object{Type: "output", Text: &line, Stream: stream})
	}
	return out
}

func (j *jsonLines) buildDone(build string, d event.BuildDone) object {
	ok := d.Err == nil
	if d.Log == "" {
		d.Log = LogPath(j.logDir, build)
	}
	o := object{
		Type: "build_done", OK: &ok, Seconds: seconds(d.Took),
		Error: j.error(d.Err), Hint: j.clean(builders.Hint(d.Err)), Log: j.clean(d.Log),
	}
	for _, t := range d.Times {
		o.Times = append(o.Times, phaseTime{Phase: j.clean(t.Phase), Seconds: t.Took.Seconds()})
	}
	for _, a := range d.Artifacts {
		o.Artifacts = append(o.Artifacts, j.artifact(a))
	}
	return o
}

// artifact returns the JSON form of an artifact, redacted.
func (j *jsonLines) artifact(a artifact.Artifact) any {
	raw, err := json.Marshal(a)
	var form any
	if err == nil {
		err = json.Unmarshal(raw, &form)
	}
	if err != nil {
		return nil // not met: an Artifact is made of strings and numbers
	}
	return j.redact(form)
}

func (j *jsonLines) redact(v any) any {
	switch v := v.(type) {
	case string:
		return j.secrets.Redact(v)
	case []any:
		for i := range v {
			v[i] = j.redact(v[i])
		}
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			out[j.secrets.Redact(name)] = j.redact(value)
		}
		return out
	}
	return v
}

// clean returns text as it may be shown.
func (j *jsonLines) clean(text string) string {
	return strings.Join(lines(text, j.secrets, false), "\n")
}

func (j *jsonLines) text(text string) *string {
	text = j.clean(text)
	return &text
}

func (j *jsonLines) error(err error) string {
	if err == nil {
		return ""
	}
	return j.clean(err.Error())
}

func (j *jsonLines) all(texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, j.clean(t))
	}
	return out
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
