package ec2

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

func (s *Server) stsActions() map[string]action {
	return map[string]action{
		"GetCallerIdentity":          act(callerIdentity),
		"AssumeRole":                 act(assumeRole),
		"DecodeAuthorizationMessage": act(decodeMessage),
	}
}

type identityOut struct {
	User    string `xml:"UserId"`
	Account string `xml:"Account"`
	ARN     string `xml:"Arn"`
}

func callerIdentity(c *call, _ *struct{}) (identityOut, error) {
	if strings.HasPrefix(c.key, "ASIA") {
		return identityOut{"AROASANDBOX:" + c.key, account, "arn:aws:sts::" + account + ":assumed-role/sandbox/" + c.key}, nil
	}
	return identityOut{"AIDASANDBOX", account, "arn:aws:iam::" + account + ":user/sandbox"}, nil
}

type assumeRoleIn struct {
	Role        string   `q:"RoleArn,required"`
	Session     string   `q:"RoleSessionName,required"`
	Duration    int      `q:"DurationSeconds"`
	ExternalID  string   `q:"ExternalId"`
	Policy      string   `q:"Policy"`
	Policies    []arnIn  `q:"PolicyArns"`
	Tags        []tagIn  `q:"Tags"`
	Transitive  []string `q:"TransitiveTagKeys"`
	MFADevice   string   `q:"SerialNumber"`
	MFACode     string   `q:"TokenCode"`
	SourceIdent string   `q:"SourceIdentity"`
}

type arnIn struct {
	ARN string `q:"arn"`
}

type credentialsOut struct {
	Key        string `xml:"AccessKeyId"`
	Secret     string `xml:"SecretAccessKey"`
	Token      string `xml:"SessionToken"`
	Expiration stamp  `xml:"Expiration"`
}

type assumeRoleOut struct {
	Credentials credentialsOut `xml:"Credentials"`
	ARN         string         `xml:"AssumedRoleUser>Arn"`
	ID          string         `xml:"AssumedRoleUser>AssumedRoleId"`
}

var roleARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):role/(?:.+/)?([\w+=,.@-]{1,64})$`)
})

// assumeRole gives temporary credentials for a role of the account that
// exists, or for any of another account.
func assumeRole(c *call, in *assumeRoleIn) (assumeRoleOut, error) {
	m := roleARN().FindStringSubmatch(in.Role)
	if m == nil {
		return assumeRoleOut{}, fail("ValidationError", "%s is invalid", in.Role)
	}
	if m[1] == account && c.state.Roles[m[2]] == nil {
		return assumeRoleOut{}, fail("AccessDenied", "User: arn:aws:iam::%s:user/sandbox is not authorized to perform: sts:AssumeRole on resource: %s", account, in.Role)
	}
	if in.Duration == 0 {
		in.Duration = 3600
	}
	if in.Duration < 900 || in.Duration > 43200 {
		return assumeRoleOut{}, fail("ValidationError", "The requested DurationSeconds %d is not between 900 and 43200", in.Duration)
	}
	if err := c.ready(); err != nil {
		return assumeRoleOut{}, err
	}
	return assumeRoleOut{
		Credentials: c.temporary(c.now.Add(time.Duration(in.Duration) * time.Second)),
		ARN:         "arn:aws:sts::" + m[1] + ":assumed-role/" + m[2] + "/" + in.Session, ID: "AROASANDBOX:" + in.Session,
	}, nil
}

// temporary makes an access key that the sandbox knows from now on.
func (s *Server) temporary(until time.Time) credentialsOut {
	c := credentialsOut{
		Key: "ASIA" + strings.ToUpper(hexOf(16)), Secret: hexOf(40), Token: hexOf(64), Expiration: stamp(until),
	}
	s.state.Keys[c.Key] = c.Secret
	return c
}

type decodeMessageIn struct {
	Message string `q:"EncodedMessage,required"`
}

type decodeMessageOut struct {
	Message string `xml:"DecodedMessage"`
}

// decodeMessage decodes what the sandbox's own refusals have in them, which is
// nothing that is encoded.
func decodeMessage(_ *call, in *decodeMessageIn) (decodeMessageOut, error) {
	return decodeMessageOut{}, fail("InvalidAuthorizationMessageException", "Message is not valid: %s", in.Message)
}
