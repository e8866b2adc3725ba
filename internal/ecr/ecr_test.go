package ecr

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

const server = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

// keys are options with keys of their own.
func keys(endpoint string) *Options {
	return &Options{EcrLogin: true, AWSAccessKey: secret.Plain("AKIA"), AWSSecretKey: secret.Sensitive("s3cret"), endpoint: endpoint}
}

// service answers as ECR and ECR Public do, and notes what it was asked.
func service(t *testing.T, asked *string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, auth := r.Header.Get("X-Amz-Target"), r.Header.Get("Authorization")
		*asked = target + " " + auth
		token := base64.StdEncoding.EncodeToString([]byte("AWS:the password"))
		if strings.HasPrefix(target, "SpencerFrontendService") {
			fmt.Fprintf(w, `{"authorizationData":{"authorizationToken":%q}}`, token)
			return
		}
		fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q}]}`, token)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server string
		public bool
		asked  string
	}{
		{server, false, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"},
		{"https://" + server + "/", false, "/eu-west-1/ecr/"},
		{"public.ecr.aws/acme", false, "SpencerFrontendService.GetAuthorizationToken"},
		{server, true, "/us-east-1/ecr-public/"},
	} {
		var asked string
		o := keys(service(t, &asked))
		o.AWSForceUsePublicECR = c.public
		user, password, err := o.Login(t.Context(), c.server)
		if err != nil || user != "AWS" || password != "the password" || !strings.Contains(asked, c.asked) || !strings.Contains(asked, "AKIA") {
			t.Errorf("%s: %s, %s, %v; asked %s", c.server, user, password, err, asked)
		}
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"not authorized to perform: ecr:GetAuthorizationToken"}`)
	}))
	t.Cleanup(s.Close)
	_, _, err := keys(s.URL).Login(t.Context(), server)
	if err == nil || !strings.Contains(err.Error(), "log in to "+server+": not authorized to perform") {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options      Options
		server       string
		option, want string
	}{
		{Options{}, "", "", ""},
		{Options{EcrLogin: true}, server, "", ""},
		{Options{EcrLogin: true, AWSProfile: "ci"}, "public.ecr.aws", "", ""},
		{Options{EcrLogin: true}, "", "login_server", "is needed"},
		{Options{EcrLogin: true}, "ghcr.io", "login_server", "is not a registry of ECR"},
		{Options{EcrLogin: true, AWSAccessKey: secret.Plain("a")}, server, "aws_secret_key", "together"},
		{Options{EcrLogin: true, AWSToken: secret.Plain("a")}, server, "aws_token", "not given"},
		{Options{AWSProfile: "ci"}, "", "", ""},
	} {
		err := c.options.CheckECR(c.server)
		var oe *component.OptionError
		if c.want == "" && err == nil {
			continue
		}
		if !errors.As(err, &oe) || oe.Option != c.option || !strings.Contains(oe.Message, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
