package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/ingot-build/ingot/internal/registry"
)

// origin is how a version is made, for who looks at it later.
type origin struct {
	commit string            // of the template's repository, "" where there is none
	made   map[string]string // see registry.Version
}

// origin starts to look up how the build is run, and returns what waits for it.
func (f *buildFlags) origin(ctx context.Context, dir, path string) func() origin {
	made := map[string]string{
		registry.MadeBy: userName(), registry.MadeWith: version, registry.MadeOn: runtime.GOOS + "/" + runtime.GOARCH,
		registry.MadeCommand: f.said(path),
	}
	maps.Copy(made, service(os.Getenv))
	once := sync.OnceValue(func() origin {
		git := func(args ...string) string {
			out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(out))
		}
		o := origin{commit: git("rev-parse", "--verify", "HEAD"), made: made}
		if o.commit != "" {
			made[registry.MadeRef] = cmp.Or(git("symbolic-ref", "-q", "HEAD"), git("describe", "--tags", "--exact-match"))
			made[registry.MadeAuthor] = git("log", "-1", "--format=%an <%ae>")
			if git("status", "--porcelain", "--untracked-files=no") != "" {
				made[registry.MadeDirty] = "true"
			}
		}
		maps.DeleteFunc(made, func(_, text string) bool { return text == "" })
		return o
	})
	go once()
	return once
}

// said is what the command line said; of variables just the names.
func (f *buildFlags) said(path string) string {
	words := []string{"ingot", "build"}
	if f.sandbox {
		words = append(words, "-sandbox")
	}
	if f.force {
		words = append(words, "-force")
	}
	for _, glob := range f.only {
		words = append(words, "-only="+glob)
	}
	for _, glob := range f.except {
		words = append(words, "-except="+glob)
	}
	for _, v := range f.vars {
		name, _, _ := strings.Cut(v, "=")
		words = append(words, "-var="+name)
	}
	for _, file := range f.varFiles {
		words = append(words, "-var-file="+file)
	}
	return strings.Join(append(words, path), " ")
}

// services are what runs builds, by a variable that each sets, with those that
// say which run it is.
var services = []struct {
	name, sign string
	vars       map[string]string // registry.MadeCI + "." + name: variable
}{
	{"github", "GITHUB_ACTIONS", map[string]string{"repository": "GITHUB_REPOSITORY", "ref": "GITHUB_REF", "sha": "GITHUB_SHA",
		"run": "GITHUB_RUN_ID", "job": "GITHUB_JOB", "event": "GITHUB_EVENT_NAME", "actor": "GITHUB_TRIGGERING_ACTOR", "server": "GITHUB_SERVER_URL"}},
	{"gitlab", "GITLAB_CI", map[string]string{"repository": "CI_PROJECT_PATH", "ref": "CI_COMMIT_REF_NAME", "sha": "CI_COMMIT_SHA",
		"run": "CI_PIPELINE_ID", "job": "CI_JOB_NAME", "event": "CI_PIPELINE_SOURCE", "actor": "GITLAB_USER_LOGIN", "url": "CI_JOB_URL"}},
	{"bitbucket", "BITBUCKET_BUILD_NUMBER", map[string]string{"repository": "BITBUCKET_REPO_FULL_NAME", "ref": "BITBUCKET_BRANCH", "sha": "BITBUCKET_COMMIT",
		"run": "BITBUCKET_BUILD_NUMBER", "url": "BITBUCKET_GIT_HTTP_ORIGIN"}},
	{"jenkins", "JENKINS_URL", map[string]string{"job": "JOB_NAME", "run": "BUILD_NUMBER", "url": "BUILD_URL", "ref": "GIT_BRANCH", "sha": "GIT_COMMIT"}},
}

// service says which service runs this, and which run of it this is.
func service(env func(string) string) map[string]string {
	for _, s := range services {
		if env(s.sign) == "" {
			continue
		}
		out := map[string]string{registry.MadeCI: s.name}
		for name, variable := range s.vars {
			out[registry.MadeCI+"."+name] = env(variable)
		}
		return out
	}
	return nil
}

// registryOff reports whether HCP_PACKER_REGISTRY says that nothing is to be
// published.
func registryOff(value string) bool { return value == "0" || strings.EqualFold(value, "off") }
