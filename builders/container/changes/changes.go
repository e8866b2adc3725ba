// Package changes reads and applies changes to a container image's
// configuration, as docker commit --change takes them: lines of a Dockerfile.
package changes

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/component"
)

// names are the instructions that change an image's configuration.
var names = []string{
	"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}

// Parse reads instructions. Errors are *component.OptionError of the option
// "changes".
func Parse(lines []string) ([]instructions.Command, error) {
	var list []instructions.Command
	for _, line := range lines {
		file, err := parser.Parse(strings.NewReader(line))
		if err != nil {
			return nil, component.Errorf("changes", "%q: %v", line, err)
		}
		for _, node := range file.AST.Children {
			if name := strings.ToUpper(node.Value); !slices.Contains(names, name) {
				return nil, &component.OptionError{Option: "changes", Message: fmt.Sprintf("unknown instruction %s in %q", name, line),
					Advice: "there are " + strings.Join(names, ", ")}
			}
			cmd, err := instructions.ParseCommand(node)
			if err != nil {
				return nil, component.Errorf("changes", "%q: %v", line, err)
			}
			list = append(list, cmd)
		}
	}
	return list, nil
}

// Apply changes the configuration in the order of the instructions.
// Variables in them are those of the image's environment.
func Apply(img *dockerspec.DockerOCIImage, list []instructions.Command) error {
	lex := shell.NewLex('\\')
	for _, cmd := range list {
		if e, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
			err := e.Expand(func(word string) (string, error) {
				out, _, err := lex.ProcessWord(word, shell.EnvsFromSlice(img.Config.Env))
				return out, err
			})
			if err != nil {
				return component.Errorf("changes", "%v: %v", cmd, err)
			}
		}
		if err := applyChange(&img.Config, cmd, lex, img.Config.Env); err != nil {
			return err
		}
	}
	return nil
}

func applyChange(cfg *dockerspec.DockerOCIImageConfig, cmd instructions.Command, lex *shell.Lex, env []string) error {
	switch c := cmd.(type) {
	case *instructions.CmdCommand:
		cfg.Cmd = commandLine(cfg, c.ShellDependantCmdLine)
	case *instructions.EntrypointCommand:
		cfg.Entrypoint = commandLine(cfg, c.ShellDependantCmdLine)
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			cfg.Env = setEnv(cfg.Env, kv.Key, kv.Value)
		}
	case *instructions.ExposeCommand:
		return expose(cfg, c.Ports, lex, env)
	case *instructions.HealthCheckCommand:
		cfg.Healthcheck = c.Health
	case *instructions.LabelCommand:
		for _, kv := range c.Labels {
			set(&cfg.Labels, kv.Key, kv.Value)
		}
	case *instructions.OnbuildCommand:
		cfg.OnBuild = append(cfg.OnBuild, c.Expression)
	case *instructions.ShellCommand:
		cfg.Shell = c.Shell
	case *instructions.StopSignalCommand:
		cfg.StopSignal = c.Signal
	case *instructions.UserCommand:
		cfg.User = c.User
	case *instructions.VolumeCommand:
		for _, v := range c.Volumes {
			set(&cfg.Volumes, v, struct{}{})
		}
	case *instructions.WorkdirCommand:
		cfg.WorkingDir = path.Join("/", cfg.WorkingDir, c.Path)
		if path.IsAbs(c.Path) {
			cfg.WorkingDir = path.Clean(c.Path)
		}
	}
	return nil
}

// commandLine is run by the image's shell where it is not a JSON list.
func commandLine(cfg *dockerspec.DockerOCIImageConfig, line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	sh := cfg.Shell
	if len(sh) == 0 {
		sh = []string{"/bin/sh", "-c"}
	}
	return append(append([]string{}, sh...), strings.Join(line.CmdLine, " "))
}

// expose adds ports, e.g. "80", "53/udp" or "8000-8010".
func expose(cfg *dockerspec.DockerOCIImageConfig, ports []string, lex *shell.Lex, env []string) error {
	for _, text := range ports {
		words, err := lex.ProcessWords(text, shell.EnvsFromSlice(env))
		if err != nil {
			return component.Errorf("changes", "EXPOSE %s: %v", text, err)
		}
		for _, word := range words {
			list, err := portRange(word)
			if err != nil {
				return err
			}
			for _, p := range list {
				set(&cfg.ExposedPorts, p, struct{}{})
			}
		}
	}
	return nil
}

// portRange returns "8000/tcp" and so on for a port or a range of them.
func portRange(text string) ([]string, error) {
	ports, proto, ok := strings.Cut(text, "/")
	if !ok {
		proto = "tcp"
	}
	first, last, ok := strings.Cut(ports, "-")
	if !ok {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	proto = strings.ToLower(proto)
	if err1 != nil || err2 != nil || from > to || !slices.Contains([]string{"tcp", "udp", "sctp"}, proto) {
		return nil, component.Errorf("changes", "EXPOSE %s: that is no port", text)
	}
	var list []string
	for p := from; p <= to; p++ {
		list = append(list, fmt.Sprintf("%d/%s", p, proto))
	}
	return list, nil
}

func setEnv(env []string, name, value string) []string {
	entry := name + "=" + value
	for i, e := range env {
		if key, _, _ := strings.Cut(e, "="); key == name {
			env[i] = entry
			return env
		}
	}
	return append(env, entry)
}

func set[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
