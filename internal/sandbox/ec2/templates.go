package ec2

import (
	"slices"
	"strconv"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

type template struct {
	ID, Name string
	Created  time.Time
	Versions []templateVersion // the first is version 1
}

type templateVersion struct {
	Description string
	Created     time.Time
	Data        launchData
}

// templateRef is how calls name a version of a launch template.
type templateRef struct {
	ID      string `q:"LaunchTemplateId,id=lt" xml:"launchTemplateId"`
	Name    string `q:"LaunchTemplateName" xml:"launchTemplateName"`
	Version string `q:"Version" xml:"version"`
}

// template returns a launch template and the number of the version meant.
func (c *call) template(ref templateRef) (*template, int, error) {
	if (ref.ID == "") == (ref.Name == "") {
		return nil, 0, fail("InvalidParameterCombination", "A launch template is named either by LaunchTemplateId or by LaunchTemplateName")
	}
	for _, t := range c.Templates {
		if t.ID != ref.ID && (ref.ID != "" || t.Name != ref.Name) {
			continue
		}
		switch ref.Version {
		case "", "$Default":
			return t, 1, nil
		case "$Latest":
			return t, len(t.Versions), nil
		}
		n, err := strconv.Atoi(ref.Version)
		if err != nil || n < 1 || n > len(t.Versions) {
			return nil, 0, fail("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s of %s", ref.Version, t.ID)
		}
		return t, n, nil
	}
	if ref.ID != "" {
		return nil, 0, fail("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", ref.ID)
	}
	return nil, 0, fail("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", ref.Name)
}

// templateTags are those of an instance that a template launched.
func templateTags(id string, version int) []tagIn {
	return []tagIn{{"aws:ec2launchtemplate:id", id}, {"aws:ec2launchtemplate:version", itoa(version)}}
}

type createTemplateIn struct {
	Name        string     `q:"LaunchTemplateName,required"`
	Description string     `q:"VersionDescription"`
	Token       string     `q:"ClientToken"`
	Data        launchData `q:"LaunchTemplateData,required"`
	Tags        []tagSpec  `q:"TagSpecification"`
}

type templateData struct {
	ID      string       `xml:"launchTemplateId"`
	Name    string       `xml:"launchTemplateName"`
	Created stamp        `xml:"createTime"`
	By      string       `xml:"createdBy"`
	Default int          `xml:"defaultVersionNumber"`
	Latest  int          `xml:"latestVersionNumber"`
	Tags    list[tagOut] `xml:"tagSet"`
}

type templateOut struct {
	Template templateData `xml:"launchTemplate"`
}

const caller = "arn:aws:iam::" + account + ":user/sandbox"

func (c *call) templateData(t *template) templateData {
	return templateData{t.ID, t.Name, stamp(t.Created), caller, 1, len(t.Versions), c.tagsOf(t.ID)}
}

func createTemplate(c *call, in *createTemplateIn) (templateOut, error) {
	if ids, err := c.token(in.Token); err != nil {
		return templateOut{}, err
	} else if ids != nil && c.Templates[ids[0]] != nil {
		return templateOut{c.templateData(c.Templates[ids[0]])}, nil
	}
	for _, t := range c.Templates {
		if t.Name == in.Name {
			return templateOut{}, fail("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
	}
	if err := in.Data.check(); err != nil {
		return templateOut{}, err
	}
	if err := checkTags(in.Tags, "launch-template"); err != nil {
		return templateOut{}, err
	}
	if err := c.ready(); err != nil {
		return templateOut{}, err
	}
	t := &template{ID: newID("lt"), Name: in.Name, Created: c.now, Versions: []templateVersion{{in.Description, c.now, in.Data}}}
	c.Templates[t.ID] = t
	c.tag(t.ID, "launch-template", in.Tags)
	c.remember(in.Token, []string{t.ID})
	return templateOut{c.templateData(t)}, nil
}

type createVersionIn struct {
	templateRef
	Description string     `q:"VersionDescription"`
	Source      string     `q:"SourceVersion"`
	Token       string     `q:"ClientToken"`
	Data        launchData `q:"LaunchTemplateData,required"`
}

type versionOut struct {
	Version versionData `xml:"launchTemplateVersion"`
}

// createVersion adds a version to a template, over a source version when one
// is given.
func createVersion(c *call, in *createVersionIn) (versionOut, error) {
	if in.Version != "" {
		return versionOut{}, fail("UnknownParameter", "The parameter Version is not recognized")
	}
	t, _, err := c.template(in.templateRef)
	if err != nil {
		return versionOut{}, err
	}
	if in.Source != "" {
		_, n, err := c.template(templateRef{ID: t.ID, Version: in.Source})
		if err != nil {
			return versionOut{}, err
		}
		over := createVersionIn{Data: t.Versions[n-1].Data}
		if err := query.Decode(c.form, &over); err != nil {
			return versionOut{}, err
		}
		in.Data = over.Data
	}
	if err := in.Data.check(); err != nil {
		return versionOut{}, err
	}
	if err := c.ready(); err != nil {
		return versionOut{}, err
	}
	t.Versions = append(t.Versions, templateVersion{in.Description, c.now, in.Data})
	return versionOut{versionOf(t, len(t.Versions))}, nil
}

type namedTemplate struct {
	ID   string `q:"LaunchTemplateId,id=lt"`
	Name string `q:"LaunchTemplateName"`
}

func deleteTemplate(c *call, in *namedTemplate) (templateOut, error) {
	t, _, err := c.template(templateRef{ID: in.ID, Name: in.Name})
	if err != nil {
		return templateOut{}, err
	}
	out := templateOut{c.templateData(t)}
	if err := c.ready(); err != nil {
		return templateOut{}, err
	}
	delete(c.Templates, t.ID)
	delete(c.Tags, t.ID)
	return out, nil
}

type describeTemplatesIn struct {
	paging
	IDs     []string `q:"LaunchTemplateId,id=lt"`
	Names   []string `q:"LaunchTemplateName"`
	Filters []filter `q:"Filter"`
}

type describeTemplatesOut struct {
	Next string             `xml:"nextToken,omitempty"`
	All  list[templateData] `xml:"launchTemplates"`
}

func describeTemplates(c *call, in *describeTemplatesIn) (describeTemplatesOut, error) {
	all, err := byID(c, c.Templates, in.IDs, "lt", func(t *template) time.Time { return t.Created })
	if err != nil {
		return describeTemplatesOut{}, err
	}
	for _, name := range in.Names {
		if _, _, err := c.template(templateRef{Name: name}); err != nil {
			return describeTemplatesOut{}, err
		}
	}
	if len(in.Names) > 0 {
		all = slices.DeleteFunc(all, func(t *template) bool { return !slices.Contains(in.Names, t.Name) })
	}
	all, err = pick(all, in.Filters, attrs[*template]{
		"launch-template-name": one(func(t *template) string { return t.Name }),
		"create-time":          when(func(t *template) time.Time { return t.Created }),
	}, func(t *template) map[string]string { return c.Tags[t.ID] })
	if err != nil {
		return describeTemplatesOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	out := describeTemplatesOut{Next: next}
	for _, t := range all {
		out.All.Items = append(out.All.Items, c.templateData(t))
	}
	return out, err
}

type describeVersionsIn struct {
	paging
	namedTemplate
	Versions []string `q:"LaunchTemplateVersion"`
}

type versionData struct {
	ID          string     `xml:"launchTemplateId"`
	Name        string     `xml:"launchTemplateName"`
	Number      int        `xml:"versionNumber"`
	Description string     `xml:"versionDescription,omitempty"`
	Created     stamp      `xml:"createTime"`
	By          string     `xml:"createdBy"`
	Default     bool       `xml:"defaultVersion"`
	Data        launchData `xml:"launchTemplateData"`
}

type describeVersionsOut struct {
	Next string            `xml:"nextToken,omitempty"`
	All  list[versionData] `xml:"launchTemplateVersionSet"`
}

func versionOf(t *template, n int) versionData {
	v := t.Versions[n-1]
	return versionData{t.ID, t.Name, n, v.Description, stamp(v.Created), caller, n == 1, v.Data}
}

func describeVersions(c *call, in *describeVersionsIn) (describeVersionsOut, error) {
	t, _, err := c.template(templateRef{ID: in.ID, Name: in.Name})
	if err != nil {
		return describeVersionsOut{}, err
	}
	var all []versionData
	for _, v := range in.Versions {
		_, n, err := c.template(templateRef{ID: t.ID, Version: v})
		if err != nil {
			return describeVersionsOut{}, err
		}
		all = append(all, versionOf(t, n))
	}
	if len(in.Versions) == 0 {
		for n := len(t.Versions); n > 0; n-- {
			all = append(all, versionOf(t, n))
		}
	}
	all, next, err := page(in.paging, all, nil)
	return describeVersionsOut{next, listOf(all)}, err
}
