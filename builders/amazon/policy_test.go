package amazon

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var callPattern = regexp.MustCompile(`\b(ec2|iam|sts|ssm|secretsmanager)\.([A-Z][A-Za-z]+)Input\b`)

// TestPolicy checks that the policy in the docs allows the calls that the code
// makes, and no others.
func TestPolicy(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // what calls need that have another name
		"iam:PassRole": "instances with a profile", "iam:TagRole": "roles with tags", "iam:TagInstanceProfile": "profiles with tags",
		"iam:CreateServiceLinkedRole": "the account's first spot instance",
		"s3:PutObject":                "uploads", "s3:AbortMultipartUpload": "uploads that end", "s3:GetObject": "HeadObject", "s3:DeleteObject": "DeleteObject",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../datasources/amazon*/*.go")
	if err != nil || len(more) == 0 {
		t.Fatal(more, err)
	}
	for _, f := range append(files, more...) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range callPattern.FindAllStringSubmatch(string(text), -1) {
			want[m[1]+":"+m[2]] = f
		}
	}
	got := slices.Concat(slices.Collect(maps.Values(policyActions(t)))...)
	for action, why := range want {
		if !slices.Contains(got, action) {
			t.Errorf("docs/amazon.md does not allow %s (%s)", action, why)
		}
	}
	for _, action := range got {
		if want[action] == "" {
			t.Errorf("docs/amazon.md allows %s, which nothing calls", action)
		}
	}
}

// TestLeastPolicy checks that a build without special options makes only calls
// that the first statement allows.
func TestLeastPolicy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := DefinitionEBS().New().(*Config)
	c.Region, c.SourceAMI, c.InstanceType, c.Communicator, c.Name = home, "ami-0123456789abcdef0", "t3.micro", "none", "web-1"
	c.Tags = map[string]string{"Kind": "web"}
	if _, err := l.build(c); err != nil {
		t.Fatal(err)
	}
	allowed := policyActions(t)["Build"]
	for _, call := range l.Faults.Calls() {
		if !slices.Contains(allowed, strings.Replace(call, ".", ":", 1)) {
			t.Errorf("it called %s, which the statement Build does not allow", call)
		}
	}
}

// policyActions returns the actions that the docs allow, by statement.
func policyActions(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/amazon.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	var policy struct {
		Statement []struct {
			Sid    string
			Action []string
		}
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	var all []string
	by := map[string][]string{}
	for _, s := range policy.Statement {
		if !slices.IsSorted(s.Action) {
			t.Errorf("%s is not sorted", s.Sid)
		}
		for _, a := range s.Action {
			if slices.Contains(all, a) {
				t.Errorf("%s is there twice", a)
			}
			all = append(all, a)
		}
		by[s.Sid] = s.Action
	}
	return by
}
