package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/sbom"
)

// attachmentView is a document of a version, as JSON.
type attachmentView struct {
	Build string `json:"build"`
	artifact.Attachment
}

// sbomChoice says which documents of a version are wanted; "" is any.
type sbomChoice struct{ build, format, name string }

func newRegistrySBOM(f *registryFlags) *cobra.Command {
	var want sbomChoice
	var out string
	cmd := &cobra.Command{
		Use:   "sbom BUCKET [VERSION|CHANNEL]",
		Short: "Print the software bill of materials of an image",
		Long: `Sbom prints a document that the provisioner sbom kept with an artifact, of the
newest version where none is named. Where there are several, -build, -format and
-name choose one. With -json it lists those that there are.`,
		Example: `  ingot registry sbom web production -format cyclonedx -o web.cdx.json
  ingot registry sbom web 1.4.0 -build amazon-ebs.web -format spdx | grep openssl
  ingot registry sbom web -json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeArgs(referenceArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			if want.format != "" && sbom.Type(want.format) == "" {
				return fmt.Errorf("-format=%s: it takes %s or %s", want.format, sbom.CycloneDX, sbom.SPDX)
			}
			r, v, err := f.version(cmd.Context(), args)
			if err != nil {
				return err
			}
			list := want.of(v)
			return f.print(cmd.OutOrStdout(), list, func(w io.Writer) error {
				doc, err := want.one(v, list)
				if err != nil {
					return err
				}
				return writeAttachment(cmd.Context(), r, v.Bucket, doc.Attachment, w, out)
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&want.build, "build", "", "only those of this build, by its `address`")
	fl.StringVar(&want.format, "format", "", "only those of this `format`: cyclonedx or spdx")
	fl.StringVar(&want.name, "name", "", "only those of this `name`")
	fl.StringVarP(&out, "output", "o", "", "`file` to write; default standard output")
	values(cmd, "format", []string{sbom.CycloneDX, sbom.SPDX})
	return cmd
}

// of lists the documents of a version that are wanted.
func (c sbomChoice) of(v registry.Version) []attachmentView {
	list := []attachmentView{}
	for _, rec := range v.Records {
		for _, a := range rec.Attachments {
			format := sbom.Format(a.Type)
			if format != "" && cmp.Or(c.build, rec.Build) == rec.Build && cmp.Or(c.format, format) == format && cmp.Or(c.name, a.Name) == a.Name {
				list = append(list, attachmentView{rec.Build, a})
			}
		}
	}
	return list
}

// one returns the only document, or says how to choose one.
func (c sbomChoice) one(v registry.Version, list []attachmentView) (attachmentView, error) {
	what := v.Bucket + ":" + v.Name
	if len(list) == 1 {
		return list[0], nil
	}
	all := sbomChoice{}.of(v)
	if len(all) == 0 {
		return attachmentView{}, builders.WithHint(fmt.Errorf("%s: no software bill of materials is kept with it", what),
			`add a step to the template: provisioner "sbom" {}`)
	}
	if len(list) == 0 {
		list = all
	}
	var there []string
	for _, a := range list {
		there = append(there, fmt.Sprintf("-build %s -name %s -format %s", a.Build, a.Name, sbom.Format(a.Type)))
	}
	return attachmentView{}, builders.WithHint(fmt.Errorf("%s: which one is wanted?", what), "choose by: "+strings.Join(there, "; "))
}

func writeAttachment(ctx context.Context, r *registry.Registry, bucket string, a artifact.Attachment, w io.Writer, path string) error {
	data, err := r.Attachment(ctx, bucket, a)
	if err != nil {
		return err
	}
	if path != "" {
		return os.WriteFile(path, data, 0o644)
	}
	_, err = w.Write(data)
	return err
}
