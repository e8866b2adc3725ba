package provenance

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
)

// The kinds of statements.
const (
	predicateSLSA      = "https://slsa.dev/provenance/v1"
	predicateCycloneDX = "https://cyclonedx.org/bom"
	predicateSPDX      = "https://spdx.dev/Document"
)

// statement says something of artifacts:
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
type statement struct {
	subjects      []*intoto.ResourceDescriptor
	predicateType string
	predicate     *structpb.Struct
}

// encode writes it as JSON, without secrets.
func (s statement) encode(secrets *secret.Set) ([]byte, error) {
	st := &intoto.Statement{Type: intoto.StatementTypeUri, Subject: s.subjects, PredicateType: s.predicateType, Predicate: s.predicate}
	if err := st.Validate(); err != nil {
		return nil, err
	}
	var all any
	if err := through(st, &all); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(redacted(all, secrets), "", "  ")
	return append(text, '\n'), err
}

// through turns a message into a value of another kind, by its JSON.
func through(from proto.Message, to any) error {
	text, err := protojson.Marshal(from)
	if err != nil {
		return err
	}
	if m, ok := to.(proto.Message); ok {
		return protojson.Unmarshal(text, m)
	}
	return json.Unmarshal(text, to)
}

// redacted replaces secrets in each text.
func redacted(value any, secrets *secret.Set) any {
	switch v := value.(type) {
	case string:
		return secrets.Redact(v)
	case []any:
		for i := range v {
			v[i] = redacted(v[i], secrets)
		}
	case map[string]any:
		for k := range v {
			v[k] = redacted(v[k], secrets)
		}
	}
	return value
}

// document reads what is said in JSON already.
func document(text []byte) (*structpb.Struct, error) {
	var s structpb.Struct
	return &s, protojson.Unmarshal(text, &s)
}

// subjects are what the artifact is, by digests: a container's image, files, or
// what identifies an image in a cloud, which is then among what came of the build
// too.
func subjects(ctx context.Context, in postprocessors.Input) (list, byproducts []*intoto.ResourceDescriptor, err error) {
	a := in.Artifact
	if a.Image != nil {
		d, err := digest.Parse(a.Image.Digest)
		if err != nil {
			return nil, nil, err
		}
		name := a.Builder + ":" + a.ID
		if len(a.Tags) > 0 {
			name = a.Tags[0]
		}
		return []*intoto.ResourceDescriptor{subject(name, d)}, nil, nil
	}
	for _, f := range a.Files {
		d, err := sum(ctx, in.Path(f.Path))
		if err != nil {
			return nil, nil, err
		}
		list = append(list, subject(filepath.Base(f.Path), d))
	}
	if len(list) > 0 {
		return list, nil, nil
	}
	identity, err := json.Marshal(struct {
		Builder string           `json:"builderId"`
		ID      string           `json:"id"`
		Places  []artifact.Place `json:"places,omitempty"`
	}{a.Builder, a.ID, a.Places})
	if err != nil {
		return nil, nil, err
	}
	list = []*intoto.ResourceDescriptor{subject(a.Builder+":"+a.ID, digest.FromBytes(identity))}
	return list, []*intoto.ResourceDescriptor{{Name: "cloud-artifact-identity", Content: identity}}, nil
}

func subject(name string, d digest.Digest) *intoto.ResourceDescriptor {
	return &intoto.ResourceDescriptor{Name: name, Digest: map[string]string{d.Algorithm().String(): d.Encoded()}}
}

func sum(ctx context.Context, path string) (digest.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest.FromReader(hostfile.Reader(ctx, f))
}
