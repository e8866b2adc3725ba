package gce

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/secretmanager/v1"
)

// secret is one of Secret Manager.
type secret struct {
	Created  string            `json:"created"`
	Labels   map[string]string `json:"labels,omitempty"`
	Versions [][]byte          `json:"versions"`
}

func secretError(code int, status, format string, args ...any) error {
	return &apiError{Code: code, Reason: strings.ToLower(status), Status: status, Message: fmt.Sprintf(format, args...)}
}

func createSecret(c *call) (any, error) {
	var asked secretmanager.Secret
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	id := c.param("secretId")
	if id == "" || len(id) > 255 || strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}) {
		return nil, secretError(400, "INVALID_ARGUMENT", "The provided Secret ID [%s] does not match the expected format [[a-zA-Z_0-9]+]", id)
	}
	path := c.param("parent") + "/secrets/" + id
	if c.state.Secrets[path] != nil {
		return nil, secretError(409, "ALREADY_EXISTS", "Secret [%s] already exists.", path)
	}
	s := &secret{Created: time.Now().UTC().Format(time.RFC3339Nano), Labels: asked.Labels}
	c.state.Secrets[path], c.dirty = s, true
	return &secretmanager.Secret{Name: path, CreateTime: s.Created, Labels: s.Labels,
		Replication: &secretmanager.Replication{Automatic: &secretmanager.Automatic{}}}, nil
}

func (c *call) secret(path string) (*secret, error) {
	if s := c.state.Secrets[path]; s != nil {
		return s, nil
	}
	return nil, secretError(404, "NOT_FOUND", "Secret [%s] not found or has no versions.", path)
}

func deleteSecret(c *call) (any, error) {
	if _, err := c.secret(c.param("name")); err != nil {
		return nil, err
	}
	delete(c.state.Secrets, c.param("name"))
	c.dirty = true
	return &secretmanager.Empty{}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const maxSecret = 64 << 10 // bytes

func addVersion(c *call) (any, error) {
	var asked secretmanager.AddSecretVersionRequest
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	s, err := c.secret(c.param("parent"))
	if err != nil {
		return nil, err
	}
	if asked.Payload == nil {
		return nil, secretError(400, "INVALID_ARGUMENT", "The payload is missing.")
	}
	data, err := base64.StdEncoding.DecodeString(asked.Payload.Data)
	if err != nil || len(data) > maxSecret {
		return nil, secretError(400, "INVALID_ARGUMENT", "The payload is not base64, or larger than 64 KiB.")
	}
	if sum := asked.Payload.DataCrc32c; sum != 0 && sum != int64(crc32.Checksum(data, castagnoli)) {
		return nil, secretError(400, "INVALID_ARGUMENT", "The checksum of the payload is wrong.")
	}
	s.Versions, c.dirty = append(s.Versions, data), true
	return &secretmanager.SecretVersion{Name: fmt.Sprintf("%s/versions/%d", c.param("parent"), len(s.Versions)), State: "ENABLED",
		CreateTime: time.Now().UTC().Format(time.RFC3339Nano)}, nil
}

func accessVersion(c *call) (any, error) {
	path, version, _ := strings.Cut(c.param("name"), "/versions/")
	n, data, err := c.secretVersion(path, version)
	if err != nil {
		return nil, err
	}
	return &secretmanager.AccessSecretVersionResponse{Name: fmt.Sprintf("%s/versions/%d", path, n),
		Payload: &secretmanager.SecretPayload{Data: base64.StdEncoding.EncodeToString(data), DataCrc32c: int64(crc32.Checksum(data, castagnoli))}}, nil
}

// secretVersion returns the number and the content of a version: a number, or
// "latest".
func (c *call) secretVersion(path, version string) (int, []byte, error) {
	s, err := c.secret(path)
	if err != nil {
		return 0, nil, err
	}
	n := len(s.Versions)
	if version != "latest" {
		if n, err = strconv.Atoi(version); err != nil {
			return 0, nil, secretError(400, "INVALID_ARGUMENT", "The version [%s] is neither a number nor latest.", version)
		}
	}
	if n < 1 || n > len(s.Versions) {
		return 0, nil, secretError(404, "NOT_FOUND", "Secret Version [%s/versions/%s] not found.", path, version)
	}
	return n, s.Versions[n-1], nil
}

// accounts are the lines of the inventory for what is not in projects' compute
// resources: keys of OS Login, secrets and parameters.
func (st *state) accounts() []string {
	var all []string
	for _, email := range sortedKeys(st.Logins) {
		for _, print := range sortedKeys(st.Logins[email].Keys) {
			all = append(all, "gce users/"+email+"/sshPublicKeys/"+print)
		}
	}
	for _, path := range sortedKeys(st.Secrets) {
		all = append(all, "gce "+strings.TrimPrefix(path, "projects/"))
	}
	for _, path := range sortedKeys(st.Parameters) {
		all = append(all, "gce "+strings.TrimPrefix(path, "projects/"))
	}
	return all
}
