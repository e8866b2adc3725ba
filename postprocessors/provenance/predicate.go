package provenance

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ingot-build/ingot/postprocessors"
)

// localBuilder is who builds where no CI service says who it is.
const localBuilder = "https://github.com/ingot-build/ingot/local-build"

// predicate is the provenance: https://slsa.dev/spec/v1.0/provenance
func (c *Config) predicate(ctx context.Context, in postprocessors.Input, byproducts []*intoto.ResourceDescriptor) (*structpb.Struct, error) {
	external, err := structpb.NewStruct(c.external(in))
	if err != nil {
		return nil, err
	}
	internal, err := structpb.NewStruct(map[string]any{"packerBuildName": in.BuildName, "packerBuilderType": in.BuilderType})
	if err != nil {
		return nil, err
	}
	p := &slsa.Provenance{
		BuildDefinition: &slsa.BuildDefinition{BuildType: c.BuildType, ExternalParameters: external, InternalParameters: internal,
			ResolvedDependencies: c.source(ctx, in.Dir)},
		RunDetails: &slsa.RunDetails{
			Builder:    &slsa.Builder{Id: cmp.Or(firstOf("GITHUB_WORKFLOW_REF", "CI_JOB_URL", "CI_PIPELINE_URL", "BUILD_URL"), localBuilder)},
			Metadata:   &slsa.BuildMetadata{InvocationId: cmp.Or(firstOf("GITHUB_RUN_ID", "CI_PIPELINE_ID", "CI_JOB_ID", "BUILD_ID"), in.RunID)},
			Byproducts: byproducts,
		},
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		p.RunDetails.Builder.Version = map[string]string{"ingot": info.Main.Version}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var out structpb.Struct
	return &out, through(p, &out)
}

// external is what the one who builds has chosen. A variable that is sensitive,
// or whose value holds a secret, is left out. Variables of the environment are
// not in it: nobody says which of them are secret.
func (c *Config) external(in postprocessors.Input) map[string]any {
	out := map[string]any{"build": in.Build}
	if c.Template != "" {
		out["template"] = c.Template
	}
	if len(c.OnlyBuilds) > 0 {
		var builds []any
		for _, name := range c.OnlyBuilds {
			builds = append(builds, name)
		}
		out["onlyBuilds"] = builds
	}
	variables := map[string]any{}
	for name, value := range c.UserVariables {
		if text := value.Reveal(); !value.IsSensitive() && in.Secrets.Redact(text) == text {
			variables[name] = text
		}
	}
	if len(variables) > 0 {
		out["userVariables"] = variables
	}
	return out
}

// firstOf is the first of these variables of the environment that is set.
func firstOf(names ...string) string {
	for _, name := range names {
		if text := strings.TrimSpace(os.Getenv(name)); text != "" {
			return text
		}
	}
	return ""
}

// source is the repository of the template: as the CI service says, or git.
func (c *Config) source(ctx context.Context, dir string) []*intoto.ResourceDescriptor {
	uri, commit := fromService()
	if commit == "" {
		uri, commit = fromGit(ctx, dir)
	}
	if uri = cmp.Or(c.SourceURI, uri); uri == "" {
		return nil
	}
	d := &intoto.ResourceDescriptor{Uri: uri}
	if commit != "" {
		d.Digest = map[string]string{"gitCommit": commit}
	}
	return []*intoto.ResourceDescriptor{d}
}

func fromService() (uri, commit string) {
	for _, s := range []struct{ url, commit, ref string }{
		{firstOf("GITHUB_REPOSITORY"), firstOf("GITHUB_SHA"), firstOf("GITHUB_REF")},
		{firstOf("CI_PROJECT_URL"), firstOf("CI_COMMIT_SHA"), firstOf("CI_COMMIT_REF_NAME")},
	} {
		if s.url == "" || s.commit == "" {
			continue
		}
		if !strings.Contains(s.url, "://") {
			s.url = strings.TrimSuffix(cmp.Or(firstOf("GITHUB_SERVER_URL"), "https://github.com"), "/") + "/" + s.url
		}
		if s.ref != "" && !strings.HasPrefix(s.ref, "refs/") {
			s.ref = "refs/heads/" + s.ref
		}
		return gitURI(s.url, s.ref), s.commit
	}
	return "", ""
}

func fromGit(ctx context.Context, dir string) (uri, commit string) {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", cmp.Or(dir, ".")}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if commit = git("rev-parse", "--verify", "HEAD"); commit == "" {
		return "", ""
	}
	remote := git("config", "--get", "remote.origin.url")
	if remote == "" {
		remote = "file://" + filepath.ToSlash(git("rev-parse", "--show-toplevel"))
	}
	return gitURI(remote, git("symbolic-ref", "-q", "HEAD")), commit
}

// gitURI names a repository and what is checked out of it, without the login that
// an address may have.
func gitURI(address, ref string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		u.User = nil
		address = u.String()
	}
	if ref != "" {
		address += "@" + ref
	}
	return "git+" + address
}
