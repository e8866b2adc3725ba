package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/ingot-build/ingot/internal/sandbox"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

func send(t *testing.T, method, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func regions(s *sandboxtest.Sandbox, secret string) error {
	h := s.Host()
	client := ec2.New(ec2.Options{Region: "eu-west-1", BaseEndpoint: &h.AWS, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(h.AWSKey, secret, "")})
	_, err := client.DescribeRegions(context.Background(), &ec2.DescribeRegionsInput{AllRegions: aws.Bool(true)})
	return err
}

// Who does not know the secrets of a sandbox can do nothing with it.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	h := s.Host()
	strict, err := sandbox.New(sandbox.Options{Dir: t.TempDir(), Bases: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer strict.Close()
	if err := regions(s, h.AWSSecret); err != nil {
		t.Error(err)
	}
	if err := regions(s, "wrong"); err == nil || !strings.Contains(err.Error(), "AuthFailure") && !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("with a wrong secret: %v", err)
	}
	const zones = "/compute/v1/projects/p/zones"
	if code, text := send(t, "GET", h.GCE+zones, h.GoogleToken); code != http.StatusOK {
		t.Errorf("zones: %d %s", code, text)
	}
	for _, token := range []string{"", "wrong"} {
		if code, text := send(t, "GET", strict.Sandbox().GCE+zones, token); code != http.StatusUnauthorized || !strings.Contains(text, "UNAUTHENTICATED") {
			t.Errorf("token %q: %d %s", token, code, text)
		}
		if code, _ := send(t, "GET", s.URL()+"/_sandbox/status", token); code != http.StatusUnauthorized {
			t.Errorf("status with token %q: %d", token, code)
		}
		if code, _ := send(t, "POST", s.URL()+"/_sandbox/shutdown", token); code != http.StatusUnauthorized {
			t.Errorf("shutdown with token %q: %d", token, code)
		}
	}
	if st, err := os.Stat(filepath.Join(s.Dir, "access.json")); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	var access struct{ AdminToken string }
	text, err := os.ReadFile(filepath.Join(s.Dir, "access.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &access); err != nil {
		t.Fatal(err)
	}
	before := s.Host()
	s.Restart()
	if after := s.Host(); *before != *after {
		t.Errorf("after a restart: %+v, before: %+v", after, before)
	}
	code, body := send(t, "GET", s.URL()+"/_sandbox/status", access.AdminToken)
	var st sandbox.Status
	if err := json.Unmarshal([]byte(body), &st); err != nil || code != http.StatusOK {
		t.Fatal(code, err, body)
	}
	if st.Endpoint != s.URL() || st.PID != os.Getpid() || st.Machines != 0 || len(st.Resources) != 0 || len(st.Images) != 1 {
		t.Errorf("%+v", st)
	}
	if leaks := s.Leaks(); len(leaks) != 0 {
		t.Error(leaks)
	}
}
