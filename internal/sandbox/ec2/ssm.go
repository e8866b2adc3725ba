package ec2

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// decodeJSON fills a request struct, and refuses members that it does not have.
func decodeJSON(body []byte, in any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return fail("SerializationException", "%s: not a %s", kind.Field, kind.Type)
	}
	return fail("ValidationException", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

type parameter struct {
	Name, Type, Value string
	Version           int
	Modified          time.Time
}

func (s *Server) ssmActions() map[string]action {
	return map[string]action{
		"GetParameter":     act(getParameter),
		"PutParameter":     act(putParameter),
		"DeleteParameter":  act(deleteParameter),
		"StartSession":     act(startSession),
		"TerminateSession": act(terminateSession),
	}
}

// epoch is a time in JSON: seconds since 1970.
type epoch time.Time

func (t epoch) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(time.Time(t).UnixMilli())/1000, 'f', 3, 64)), nil
}

type getParameterIn struct {
	Name           string
	WithDecryption bool
}

type parameterData struct {
	Name, Type, Value, ARN, DataType string
	Version                          int
	LastModifiedDate                 epoch
}

type getParameterOut struct{ Parameter parameterData }

func getParameter(c *call, in *getParameterIn) (getParameterOut, error) {
	name, version, _ := strings.Cut(in.Name, ":")
	p := c.Params[name]
	if p == nil {
		return getParameterOut{}, fail("ParameterNotFound", "The parameter %s does not exist", in.Name)
	}
	if version != "" && version != strconv.Itoa(p.Version) {
		return getParameterOut{}, fail("ParameterVersionNotFound", "Systems Manager could not find version %s of %s", version, name)
	}
	d := parameterData{
		Name: p.Name, Type: p.Type, Value: p.Value, DataType: "text", Version: p.Version, LastModifiedDate: epoch(p.Modified),
		ARN: "arn:aws:ssm:" + c.name + ":" + account + ":parameter/" + strings.TrimPrefix(p.Name, "/"),
	}
	if p.Type == "SecureString" && !in.WithDecryption {
		d.Value = "AQICAHj" + hexOf(64) // encrypted
	}
	return getParameterOut{d}, nil
}

type putParameterIn struct {
	Name, Value, Type, Description, KeyId, AllowedPattern, Tier, DataType string //nolint:revive // the service's names
	Overwrite                                                             bool
	Tags                                                                  []tagIn
}

type putParameterOut struct {
	Version int
	Tier    string
}

func putParameter(c *call, in *putParameterIn) (putParameterOut, error) {
	p := c.Params[in.Name]
	switch {
	case in.Name == "" || in.Value == "":
		return putParameterOut{}, fail("ValidationException", "Name and Value must not be empty")
	case p != nil && !in.Overwrite:
		return putParameterOut{}, fail("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case p == nil && in.Type == "":
		return putParameterOut{}, fail("ValidationException", "A parameter type is required when you create a parameter.")
	}
	if err := oneOf("Type", in.Type, "String", "StringList", "SecureString"); err != nil {
		return putParameterOut{}, err
	}
	if p == nil {
		p = &parameter{Name: in.Name}
		c.Params[in.Name] = p
	}
	p.Value, p.Version, p.Modified = in.Value, p.Version+1, c.now
	if in.Type != "" {
		p.Type = in.Type
	}
	return putParameterOut{p.Version, "Standard"}, c.ready()
}

type deleteParameterIn struct{ Name string }

func deleteParameter(c *call, in *deleteParameterIn) (struct{}, error) {
	if c.Params[in.Name] == nil {
		return struct{}{}, fail("ParameterNotFound", "The parameter %s does not exist", in.Name)
	}
	delete(c.Params, in.Name)
	return struct{}{}, c.ready()
}

type startSessionIn struct {
	Target, DocumentName, Reason string
	Parameters                   map[string][]string
}

// startSession refuses: the machines of the sandbox have no SSM agent.
func startSession(c *call, in *startSessionIn) (struct{}, error) {
	if c.Instances[in.Target] == nil {
		return struct{}{}, fail("TargetNotConnected", "%s is not connected.", in.Target)
	}
	return struct{}{}, fail("TargetNotConnected", "%s is not connected: the sandbox has no Session Manager, so set ssh_interface to something else there", in.Target)
}

type terminateSessionIn struct{ SessionId string } //nolint:revive // the service's name

func terminateSession(_ *call, in *terminateSessionIn) (struct{}, error) {
	return struct{}{}, fail("DoesNotExistException", "The sandbox has no session %s", in.SessionId)
}
