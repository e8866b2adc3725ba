package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
)

// CheckNames refuses buckets, versions and channels that can't be called so.
func CheckNames(p *plan.Plan) error {
	for _, group := range byBucket(p.Builds) {
		pub := group[0].Publish
		if err := checkNames(pub); err != nil && pub.Where != "" {
			return fmt.Errorf("publish (%s): %w", pub.Where, err)
		} else if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

func checkNames(pub plan.Publish) error {
	if err := registry.ValidBucket(pub.Bucket); err != nil {
		return err
	}
	if pub.Version != "" {
		if err := registry.ValidVersion(pub.Version); err != nil {
			return err
		}
	}
	for _, c := range slices.Concat(pub.Channels, names(pub.Settings)) {
		if err := registry.ValidChannel(c); err != nil {
			return err
		}
		if c == pub.Version {
			return fmt.Errorf("%s can't be both the version and a channel of it", c)
		}
	}
	return nil
}

// refuseConflict fails before anything is launched when a version that the
// template names exists with other content.
func (b *build) refuseConflict() error {
	v, found := b.taken[b.Publish.Bucket]
	if !found || holds(v, b.Address, b.Key) {
		return nil
	}
	return builders.WithHint(fmt.Errorf("publish: version %s of bucket %s exists with another %s", v.Name, v.Bucket, b.Address),
		"versions are immutable: set another `version` in the publish block")
}

func names(channels []lang.Channel) (out []string) {
	for _, c := range channels {
		out = append(out, c.Name)
	}
	return out
}

// settle gives channels the rules that the template has for them.
func (r *run) settle(ctx context.Context, pub plan.Publish) error {
	for _, c := range pub.Settings {
		want := registry.Settings{Approval: c.Approval}
		have, err := r.Registry.Settings(ctx, pub.Bucket, c.Name)
		if err == nil && have != want {
			err = r.Registry.SetSettings(ctx, pub.Bucket, c.Name, r.User, want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func byBucket(builds []*plan.Build) [][]*plan.Build {
	var out [][]*plan.Build
	at := map[string]int{}
	for _, b := range builds {
		i, ok := at[b.Publish.Bucket]
		if !ok {
			i = len(out)
			at[b.Publish.Bucket] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	return out
}

func holds(v registry.Version, build string, k key.Key) bool {
	return slices.ContainsFunc(v.Records, func(r artifact.Record) bool { return r.Build == build && r.Key == k })
}

// publish makes one version a bucket of what the builds made.
func (r *run) publish(ctx context.Context, results []result) error {
	records := map[string][]artifact.Record{}
	for _, res := range results {
		bucket := res.build.Publish.Bucket
		records[bucket] = append(records[bucket], res.record)
	}
	versions := map[string]string{} // by bucket
	for _, group := range parentsFirst(byBucket(r.plan.Builds)) {
		bucket := group[0].Publish.Bucket
		for i := range records[bucket] {
			nameParents(&records[bucket][i], bucket, records, versions)
		}
		v, err := r.publishBucket(ctx, group, records[bucket])
		if err != nil {
			return fmt.Errorf("publish %s: %w", bucket, err)
		}
		versions[bucket] = v.Name
	}
	return nil
}

// parentsFirst puts buckets behind those that their builds' parents are
// published in, as far as these do not need each other.
func parentsFirst(groups [][]*plan.Build) [][]*plan.Build {
	var out [][]*plan.Build
	waits := func(group []*plan.Build) bool {
		return slices.ContainsFunc(groups, func(other []*plan.Build) bool { return begins(group, other) })
	}
	for len(groups) > 0 {
		i := max(0, slices.IndexFunc(groups, func(group []*plan.Build) bool { return !waits(group) }))
		out, groups = append(out, groups[i]), slices.Delete(groups, i, i+1)
	}
	return out
}

// begins reports whether builds begin with images of those of another bucket.
func begins(group, other []*plan.Build) bool {
	if group[0].Publish.Bucket == other[0].Publish.Bucket {
		return false
	}
	return slices.ContainsFunc(group, func(b *plan.Build) bool {
		return slices.ContainsFunc(b.Parents, func(p plan.Parent) bool { return slices.Contains(other, p.Build) })
	})
}

// nameParents says of the parents in other buckets which version they are
// published in by this run.
func nameParents(rec *artifact.Record, bucket string, records map[string][]artifact.Record, versions map[string]string) {
	rec.Parents = slices.Clone(rec.Parents)
	for i := range rec.Parents {
		p := &rec.Parents[i]
		ours := func(made artifact.Record) bool { return made.Build == p.Build && made.Key == p.Key }
		if p.Version == "" && p.Bucket != bucket && slices.ContainsFunc(records[p.Bucket], ours) {
			p.Version = versions[p.Bucket]
		}
	}
}

// publishBucket returns the version that has the records.
func (r *run) publishBucket(ctx context.Context, group []*plan.Build, records []artifact.Record) (registry.Version, error) {
	pub := group[0].Publish
	if left := r.plan.LeftOut[pub.Bucket]; len(left) > 0 && len(pub.Channels) > 0 {
		// Who pulls by a channel must find all that the template makes.
		r.emit(event.Warning{Text: fmt.Sprintf("channels stay where they are (%s): this run left out %s", strings.Join(pub.Channels, ", "), strings.Join(left, ", "))})
		pub.Channels = nil
	}
	if err := r.settle(ctx, pub); err != nil {
		return registry.Version{}, err
	}
	name := cmp.Or(pub.Version, commonVersion(group))
	if name != "" {
		v, found, err := r.Registry.Version(ctx, pub.Bucket, name)
		if err != nil {
			return v, err
		}
		if found && holdsAll(v, records) {
			moved := movedSince(v, group, records)
			if moved != "" && pub.Version != "" {
				r.emit(event.Warning{Text: fmt.Sprintf("version %s keeps what it was published with of %s, which is something else by now: set another `version` to publish that", v.Name, moved)})
			}
			if moved == "" || pub.Version != "" {
				return v, r.moveChannels(ctx, v, pub.Channels)
			}
		}
	}
	var made map[string]string
	if r.Made != nil {
		made = r.Made()
	}
	now := time.Now().UTC()
	v := registry.Version{
		Bucket: pub.Bucket, Name: cmp.Or(pub.Version, registry.DefaultName(now, setKey(records))), Created: now, RunID: r.RunID,
		Description: pub.Description, Labels: pub.Labels, Channels: pub.Channels,
		GitCommit: r.GitCommit(), TemplateDigest: r.plan.Template.Digest, Fingerprint: r.Fingerprint, Made: made, Records: records,
	}
	there, found, release, err := r.publishing(ctx, pub, v)
	defer release()
	if err != nil {
		return v, err
	}
	if found {
		return there, r.moveChannels(ctx, there, pub.Channels)
	}
	out, isNew, err := r.Registry.Publish(ctx, v)
	if err != nil {
		return out, err
	}
	r.emit(event.Published{Registry: r.Registry.Address(), Bucket: out.Bucket, Version: out.Name, Channels: out.Channels, New: isNew})
	r.sayStay(out, registry.Pointed{Requested: out.Requested, RolledBack: out.RolledBack})
	return out, nil
}

// moveChannels points the template's channels at a version that exists.
func (r *run) moveChannels(ctx context.Context, v registry.Version, channels []string) error {
	p, err := r.Registry.PointChannels(ctx, v, channels, r.User)
	if err != nil {
		return err
	}
	r.emit(event.Published{Registry: r.Registry.Address(), Bucket: v.Bucket, Version: v.Name, Channels: p.Moved})
	r.sayStay(v, p)
	return nil
}

// sayStay says which channels wait for a person.
func (r *run) sayStay(v registry.Version, p registry.Pointed) {
	for _, c := range p.Requested {
		r.emit(event.Say{Text: fmt.Sprintf("Channel %s waits for approval: ingot approve %s %s %s", c, v.Bucket, v.Name, c)})
	}
	for _, c := range p.RolledBack {
		r.emit(event.Warning{Text: fmt.Sprintf("channel %s was rolled back from %s, and stays so: ingot promote %s %s %s", c, v.Name, v.Bucket, v.Name, c)})
	}
}

func holdsAll(v registry.Version, records []artifact.Record) bool {
	for _, rec := range records {
		if !holds(v, rec.Build, rec.Key) {
			return false
		}
	}
	return true
}

// movedSince is a build whose image is another one now, or in other places, than
// in the version that has it, "" where there is none.
func movedSince(v registry.Version, group []*plan.Build, records []artifact.Record) string {
	for _, b := range group {
		ours := func(rec artifact.Record) bool { return rec.Build == b.Address }
		now, then := slices.IndexFunc(records, ours), slices.IndexFunc(v.Records, ours)
		if now < 0 || then < 0 {
			continue
		}
		a, was := records[now].Artifact, v.Records[then].Artifact
		if !slices.Equal(a.Places, was.Places) || digestOf(a.Image) != digestOf(was.Image) {
			return b.Address
		}
	}
	return ""
}

// commonVersion is the version that has all of the builds unchanged already.
func commonVersion(group []*plan.Build) string {
	name := group[0].Version
	for _, b := range group {
		if b.Status != plan.Unchanged || b.Version != name {
			return ""
		}
	}
	return name
}

func setKey(records []artifact.Record) key.Key {
	h := key.New("version/1")
	for _, rec := range records {
		h.String(rec.Build).String(string(rec.Key))
	}
	return h.Sum()
}
