package ec2

import (
	"cmp"
	"regexp"
	"slices"
	"sync"
	"time"
)

type secretValue struct {
	Name, ARN, Version, Text string
	Binary                   []byte
	Created                  time.Time
}

func (s *Server) secretsActions() map[string]action {
	return map[string]action{
		"GetSecretValue": act(getSecret),
		"CreateSecret":   act(createSecret),
		"DeleteSecret":   act(deleteSecret),
	}
}

type getSecretIn struct{ SecretId, VersionId, VersionStage string } //nolint:revive // the service's names

type getSecretOut struct {
	ARN, Name, VersionId string //nolint:revive // the service's names
	SecretString         string `json:",omitempty"`
	SecretBinary         []byte `json:",omitempty"`
	VersionStages        []string
	CreatedDate          epoch
}

func (c *call) secret(id string) (*secretValue, error) {
	for _, s := range c.Secrets {
		if s.Name == id || s.ARN == id {
			return s, nil
		}
	}
	return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func getSecret(c *call, in *getSecretIn) (getSecretOut, error) {
	s, err := c.secret(in.SecretId)
	if err != nil {
		return getSecretOut{}, err
	}
	if in.VersionId != "" && in.VersionId != s.Version || !slices.Contains([]string{"", "AWSCURRENT"}, in.VersionStage) {
		return getSecretOut{}, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for %s %s", cmp.Or(in.VersionId, "staging label:"), in.VersionStage)
	}
	return getSecretOut{s.ARN, s.Name, s.Version, s.Text, s.Binary, []string{"AWSCURRENT"}, epoch(s.Created)}, nil
}

type createSecretIn struct {
	Name, ClientRequestToken, Description, KmsKeyId, SecretString string //nolint:revive // the service's names
	SecretBinary                                                  []byte
	Tags                                                          []tagIn
}

type createSecretOut struct{ ARN, Name, VersionId string } //nolint:revive // the service's names

var secretName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w/+=.@-]{1,512}$`) })

func createSecret(c *call, in *createSecretIn) (createSecretOut, error) {
	if !secretName().MatchString(in.Name) {
		return createSecretOut{}, fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if c.Secrets[in.Name] != nil {
		return createSecretOut{}, fail("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	s := &secretValue{
		Name: in.Name, ARN: "arn:aws:secretsmanager:" + c.name + ":" + account + ":secret:" + in.Name + "-" + hexOf(6),
		Version: cmp.Or(in.ClientRequestToken, requestID()), Text: in.SecretString, Binary: in.SecretBinary, Created: c.now,
	}
	c.Secrets[in.Name] = s
	return createSecretOut{s.ARN, s.Name, s.Version}, c.ready()
}

type deleteSecretIn struct {
	SecretId                   string //nolint:revive // the service's name
	RecoveryWindowInDays       int
	ForceDeleteWithoutRecovery bool
}

type deleteSecretOut struct {
	ARN, Name    string
	DeletionDate epoch
}

// deleteSecret deletes at once, whatever the window for recovery.
func deleteSecret(c *call, in *deleteSecretIn) (deleteSecretOut, error) {
	s, err := c.secret(in.SecretId)
	if err != nil {
		return deleteSecretOut{}, err
	}
	delete(c.Secrets, s.Name)
	return deleteSecretOut{s.ARN, s.Name, epoch(c.now)}, c.ready()
}
