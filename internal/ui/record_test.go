package ui

import (
	"errors"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

// adviceError is an error with a hint, below others.
type adviceError struct{ text, hint string }

func (e *adviceError) Error() string { return e.text }
func (e *adviceError) Hint() string  { return e.hint }

// clocked gives events times a second apart.
func clocked(events []event.Event) []event.Event {
	at := time.Date(2031, 2, 3, 4, 5, 6, 7e6, time.UTC)
	for i := range events {
		events[i].Time = at.Add(time.Duration(i) * time.Second)
	}
	return events
}

// recorded is a run with one of everything.
func recorded() []event.Event {
	refused := errors.Join(&adviceError{"provision: shell: exit code 3", "look at the log,\nthen at the script"})
	return clocked([]event.Event{
		{Body: event.RunStarted{RunID: "run-1", Builds: []string{"docker.web", "null.vm", "rel.amazon-ebs.base", "null.same"}}},
		{Body: event.Warning{Text: "an option is deprecated"}},
		{Build: "docker.web", Body: event.Phase{Name: "resolve", Detail: "debian:12"}},
		{Build: "docker.web", Body: event.Say{Text: "Pulling debian:12"}},
		{Build: "null.same", Body: event.Skipped{Why: "unchanged since 1.4.0 (2 days ago): base, 3 steps, 5 files", Version: "1.4.0"}},
		{Build: "null.same", Body: event.BuildDone{Took: 3 * time.Millisecond, Times: []event.Time{{Phase: "resolve", Took: time.Millisecond}}}},
		{Build: "docker.web", Body: event.Phase{Name: "provision", Detail: "shell", Step: 1, Steps: 2}},
		{Build: "docker.web", Body: event.StepDone{Step: 1, Name: "shell", Cached: true}},
		{Build: "docker.web", Body: event.Phase{Name: "provision", Detail: "file", Step: 2, Steps: 2}},
		{Build: "docker.web", Body: event.Output{Text: "hello, world"}},
		{Build: "docker.web", Body: event.Output{Text: "10%\r20%\r\x1b[K\r\n\n\x1b[31mred\x1b[0m \x1b]0;title\x07and\x1b[2J bell\x07"}},
		{Build: "docker.web", Body: event.Output{Text: "on stderr", Stderr: true}},
		{Build: "docker.web", Body: event.StepDone{Step: 2, Name: "file", Took: 1500 * time.Millisecond}},
		{Build: "docker.web", Body: event.Warning{Text: "the image has no\nentrypoint"}},
		{Build: "docker.web", Body: event.Phase{Name: "seal"}},
		{Build: "docker.web", Body: event.Phase{Name: "test", Detail: "image, boots"}},
		{Build: "docker.web", Body: event.TestDone{Test: artifact.Test{Name: "image", Passed: true, Took: 2 * time.Second, Cases: []artifact.Case{{Name: "package bash installed", Passed: true}}}}},
		{Build: "docker.web", Body: event.TestDone{Test: artifact.Test{Name: "boots", Took: time.Second, Error: "1 of 2 checks failed", Cases: []artifact.Case{
			{Name: "port tcp:22 listening", Passed: true}, {Name: "command id, prints 0", Detail: "it printed: 1"}}}}},
		{Build: "docker.web", Body: event.TestDone{Test: artifact.Test{Name: "begins", Error: "begin with the image: no quota"}}},
		{Build: "docker.web", Body: event.TestDone{Known: true, Test: artifact.Test{Name: "before", Passed: true, Cases: []artifact.Case{{Name: "group a exists", Passed: true}}}}},
		{Build: "docker.web", Body: event.Phase{Name: "post-process", Detail: "docker-tag"}},
		{Build: "docker.web", Body: event.BuildDone{
			Took: time.Minute + 1066*time.Millisecond,
			Artifacts: []artifact.Artifact{
				{Builder: "docker", ID: "sha256:1", Text: "Image sha256:1\nwith two lines", Files: []artifact.File{{Path: "a,b.tar", Size: 5}}},
				{Builder: "docker", ID: "sha256:2", Labels: map[string]string{"base": "debian"}},
			},
			Times: []event.Time{{Phase: "resolve", Took: 250 * time.Millisecond}, {Phase: "provision", Took: 50 * time.Second}, {Phase: "provision", Took: 9 * time.Second}, {Phase: "odd", Took: time.Second}},
		}},
		{Build: "null.vm", Body: event.Failed{Err: refused}},
		{Build: "null.vm", Body: event.BuildDone{Err: refused, Took: 2031 * time.Millisecond, Log: "logs/null.vm.log", Times: []event.Time{{Phase: "begin", Took: 2 * time.Second}}}},
		{Build: "rel.amazon-ebs.base", Body: event.BuildDone{Err: errors.New("rel.amazon-ebs.base: launch:\nno quota"), Took: 2 * time.Hour}},
		{Body: event.Failed{Err: errors.New("publish: the registry is down")}},
		{Body: event.Published{Registry: ".ingot/registry", Bucket: "web", Version: "1.5.0", Channels: []string{"latest", "testing"}, New: true}},
		{Body: event.RunDone{Took: 2 * time.Hour, Failed: []string{"null.vm", "rel.amazon-ebs.base"}}},
	})
}
