package gce

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/parametermanager/v1"
)

// parameter is one of Parameter Manager.
type parameter struct {
	Created  string            `json:"created"`
	Format   string            `json:"format,omitempty"`
	Versions map[string][]byte `json:"versions"`
}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

func createParameter(c *call) (any, error) {
	var asked parametermanager.Parameter
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	id := c.param("parameterId")
	if !parameterName.MatchString(id) {
		return nil, secretError(400, "INVALID_ARGUMENT", "The parameter id [%s] does not match the expected format [[a-zA-Z0-9_-]{1,63}]", id)
	}
	path := c.param("parent") + "/parameters/" + id
	if c.state.Parameters[path] != nil {
		return nil, secretError(409, "ALREADY_EXISTS", "Resource '%s' already exists", path)
	}
	p := &parameter{Created: time.Now().UTC().Format(time.RFC3339Nano), Format: asked.Format, Versions: map[string][]byte{}}
	c.state.Parameters[path], c.dirty = p, true
	return &parametermanager.Parameter{Name: path, CreateTime: p.Created, Format: p.Format}, nil
}

func (c *call) parameter(path string) (*parameter, error) {
	if p := c.state.Parameters[path]; p != nil {
		return p, nil
	}
	return nil, secretError(404, "NOT_FOUND", "Resource '%s' was not found", path)
}

func deleteParameter(c *call) (any, error) {
	if _, err := c.parameter(c.param("name")); err != nil {
		return nil, err
	}
	delete(c.state.Parameters, c.param("name"))
	c.dirty = true
	return &parametermanager.Empty{}, nil
}

func createParameterVersion(c *call) (any, error) {
	var asked parametermanager.ParameterVersion
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	p, err := c.parameter(c.param("parent"))
	if err != nil {
		return nil, err
	}
	id := c.param("parameterVersionId")
	path := c.param("parent") + "/versions/" + id
	switch {
	case !parameterName.MatchString(id):
		return nil, secretError(400, "INVALID_ARGUMENT", "The version id [%s] does not match the expected format [[a-zA-Z0-9_-]{1,63}]", id)
	case p.Versions[id] != nil:
		return nil, secretError(409, "ALREADY_EXISTS", "Resource '%s' already exists", path)
	case asked.Payload == nil:
		return nil, secretError(400, "INVALID_ARGUMENT", "The payload is missing.")
	}
	data, err := base64.StdEncoding.DecodeString(asked.Payload.Data)
	if err != nil || len(data) > 1<<20 || len(data) == 0 {
		return nil, secretError(400, "INVALID_ARGUMENT", "The payload is empty, not base64, or larger than 1 MiB.")
	}
	p.Versions[id], c.dirty = data, true
	return &parametermanager.ParameterVersion{Name: path, CreateTime: time.Now().UTC().Format(time.RFC3339Nano)}, nil
}

// secretReference is what a parameter says where a secret's version is to be.
var secretReference = regexp.MustCompile(`__REF__\(\\?"//secretmanager\.googleapis\.com/(projects/[^/"]+/secrets/[^/"]+)/versions/([^"\\]+)\\?"\)`)

// renderParameterVersion gives a version, with the secrets that it refers to.
func renderParameterVersion(c *call) (any, error) {
	path, id, _ := strings.Cut(c.param("name"), "/versions/")
	p, err := c.parameter(path)
	if err != nil {
		return nil, err
	}
	data, ok := p.Versions[id]
	if !ok {
		return nil, secretError(404, "NOT_FOUND", "Resource '%s' was not found", c.param("name"))
	}
	var missing error
	rendered := secretReference.ReplaceAllFunc(data, func(ref []byte) []byte {
		m := secretReference.FindSubmatch(ref)
		_, text, err := c.secretVersion(string(m[1]), string(m[2]))
		if err != nil {
			missing = err
		}
		return text
	})
	if missing != nil {
		return nil, missing
	}
	return &parametermanager.RenderParameterVersionResponse{ParameterVersion: c.param("name"),
		Payload:         &parametermanager.ParameterVersionPayload{Data: base64.StdEncoding.EncodeToString(data)},
		RenderedPayload: base64.StdEncoding.EncodeToString(rendered)}, nil
}
