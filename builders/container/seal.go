package container

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders/container/changes"
	"github.com/ingot-build/ingot/internal/artifact"
)

// Seal makes the image of what the steps left.
func (s *buildSession) Seal(ctx context.Context) (artifact.Artifact, error) {
	if err := s.reopen(ctx); err != nil {
		return artifact.Artifact{}, err
	}
	if err := s.solve(ctx); err != nil {
		return artifact.Artifact{}, err
	}
	res, err := s.result()
	if err != nil {
		return artifact.Artifact{}, err
	}
	resp, err := s.build.finish(ctx, res)
	if err != nil {
		err = s.kit.explain(ctx, err)
		if c, ok := s.output.(*commit); ok {
			err = c.noRoom(err)
		}
		return artifact.Artifact{}, err
	}
	a, err := s.output.artifact(resp)
	if err != nil {
		return artifact.Artifact{}, err
	}
	a.Arch = s.opts.platform.Architecture
	a.Labels = map[string]string{"source_image": s.base.Name, "source_digest": s.base.ID}
	if a.Image != nil {
		s.warnReadable()
		a.Image.OS, a.Image.Architecture, a.Image.Variant = s.opts.platform.OS, s.opts.platform.Architecture, s.opts.platform.Variant
	}
	return a, nil
}

// warnReadable tells what is sensitive and can be read in the image.
func (s *buildSession) warnReadable() {
	if len(s.sensitive) > 0 {
		s.env.Log.Warn("who has the image can read the sensitive content of " + strings.Join(s.sensitive, ", ") +
			": a step that removes a file does not remove it from the layer below")
	}
	for _, text := range append(slices.Clone(s.opts.Changes), s.opts.Author, s.opts.Message) {
		if shown := s.host.Secrets.Redact(text); shown != text {
			s.env.Log.Warn("who has the image can read the sensitive value in its configuration: " + shown)
		}
	}
}

// result is the file system with the configuration that the image gets.
func (s *buildSession) result() (*gateway.Result, error) {
	img := s.config
	img.Created = nil // BuildKit sets it to when the last layer was made
	if err := changes.Apply(&img, s.opts.changes); err != nil {
		return nil, err
	}
	if s.opts.Author != "" {
		img.Author = s.opts.Author
	}
	img.OS, img.Architecture, img.Variant = s.opts.platform.OS, s.opts.platform.Architecture, s.opts.platform.Variant
	img.History = append([]ocispec.History{}, img.History...)
	for _, name := range s.history {
		img.History = append(img.History, ocispec.History{CreatedBy: name, Author: s.opts.Author})
	}
	if s.opts.Message != "" || len(s.history) == 0 && len(s.opts.changes) > 0 {
		img.History = append(img.History, ocispec.History{
			CreatedBy: "ingot", Author: s.opts.Author, Comment: s.opts.Message, EmptyLayer: true,
		})
	}
	config, err := json.Marshal(img)
	if err != nil {
		return nil, fmt.Errorf("configuration of the image: %w", err)
	}
	res := gateway.NewResult()
	res.SetRef(s.ref)
	res.AddMeta(exptypes.ExporterImageConfigKey, config)
	return res, nil
}
