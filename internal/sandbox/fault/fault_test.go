package fault

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve returns a server of one call that counts how often it acted.
func serve(t *testing.T, s *Set, call string) (string, chan struct{}) {
	t.Helper()
	acted := make(chan struct{}, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Serve(w, r, call, func(w http.ResponseWriter, _ *http.Request) {
			acted <- struct{}{}
			_, _ = w.Write([]byte("done"))
		}, func(w http.ResponseWriter, _ *http.Request, r Rule) {
			http.Error(w, r.Code, r.Status)
		})
	}))
	t.Cleanup(srv.Close)
	return srv.URL, acted
}

func get(url string) (int, error) {
	// A connection of its own, and no second try.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule Rule
		want []bool // which calls it hits
	}{
		"all":        {Rule{Call: "ec2.*"}, []bool{true, true, true, true}},
		"nth":        {Rule{Call: "*", Nth: 2}, []bool{false, true, false, false}},
		"times":      {Rule{Call: "ec2.Run*", Times: 2}, []bool{true, true, false, false}},
		"from nth":   {Rule{Call: "*", Nth: 3, Times: -1}, []bool{false, false, true, true}},
		"region":     {Rule{Call: "*@us-*"}, []bool{true, true, true, true}},
		"elsewhere":  {Rule{Call: "*@eu-*"}, []bool{false, false, false, false}},
		"other call": {Rule{Call: "sts.*"}, []bool{false, false, false, false}},
	} {
		s := &Set{}
		test.rule.Do = Drop
		if err := s.Add(test.rule); err != nil {
			t.Fatal(err)
		}
		var got []bool
		for range test.want {
			_, hit := s.hit("ec2.RunInstances@us-east-1")
			got = append(got, hit)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: hits %v, want %v", name, got, test.want)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := &Set{}
	if err := s.Add(Rule{Call: "*", Do: Drop, Rate: 0.3}); err != nil {
		t.Fatal(err)
	}
	hits := 0
	for range 1000 {
		if _, hit := s.hit("a.b"); hit {
			hits++
		}
	}
	if hits < 200 || hits > 400 {
		t.Errorf("%d of 1000 calls hit, want about 300", hits)
	}
	if n := len(s.Calls()); n != 1000 {
		t.Errorf("%d calls noted", n)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	for do, want := range map[Action]struct {
		status int
		acts   int
	}{
		Error: {418, 0}, Drop: {0, 0}, DropAfter: {0, 1}, Delay: {200, 1}, Spot: {200, 1},
		Kill: {0, 0}, KillAfter: {0, 1}, // the client is this process: it lives
	} {
		s := &Set{}
		interrupted := make(chan time.Duration, 1)
		s.OnInterrupt(func(notice time.Duration) { interrupted <- notice })
		if err := s.Add(Rule{Call: "a.b", Do: do, Status: 418, Delay: "1ms"}); err != nil {
			t.Fatal(err)
		}
		url, acted := serve(t, s, "a.b")
		status, err := get(url)
		if status != want.status || (err != nil) != (want.status == 0) {
			t.Errorf("%s: status %d, %v", do, status, err)
		}
		if len(acted) != want.acts {
			t.Errorf("%s: acted %d times", do, len(acted))
		}
		if do == Spot && <-interrupted != time.Millisecond {
			t.Error("spot: wrong notice")
		}
	}
}

// A client in a process of its own is killed before or after the call acts.
func TestKill(t *testing.T) {
	t.Parallel()
	if url := os.Getenv("FAULT_TEST_URL"); url != "" {
		_, _ = get(url)
		os.Exit(0)
	}
	for do, acts := range map[Action]int{Kill: 0, KillAfter: 1} {
		s := &Set{}
		if err := s.Add(Rule{Call: "*", Do: do}); err != nil {
			t.Fatal(err)
		}
		url, acted := serve(t, s, "a.b")
		client := exec.Command(os.Args[0], "-test.run=^TestKill$")
		client.Env = append(os.Environ(), "FAULT_TEST_URL="+url)
		err := client.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("%s: the client ended with %v", do, err)
		}
		if len(acted) != acts {
			t.Errorf("%s: acted %d times", do, len(acted))
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "faults.hcl")
	text := `
fault "ec2.RunInstances" {
  do   = "error"
  code = "InsufficientInstanceCapacity"
  nth  = 1
}
fault "*" {
  do   = "error"
  rate = 0.1
}
account {
  no_default_vpc = ["us-*"]
}
`
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &Set{}
	if err := s.Load(name); err != nil {
		t.Fatal(err)
	}
	want := []Rule{
		{Call: "ec2.RunInstances", Do: Error, Code: "InsufficientInstanceCapacity", Nth: 1},
		{Call: "*", Do: Error, Rate: 0.1},
	}
	if got := s.Rules(); !slices.Equal(got, want) {
		t.Errorf("rules %+v", got)
	}
	if !In(s.Account().NoDefaultVPC, "us-east-1") || In(s.Account().NoDefaultVPC, "eu-west-1") {
		t.Error("account", s.Account())
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Rule{
		"not a pattern":     {Call: "[", Do: Drop},
		"nothing to do":     {Call: "*", Do: "explode"},
		"not from 0 to 1":   {Call: "*", Do: Drop, Rate: 2},
		"not a duration":    {Call: "*", Do: Delay, Delay: "2"},
		"needs its length":  {Call: "*", Do: Delay},
		`fault "": not a p`: {Do: Drop},
	} {
		if err := new(Set).Add(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Add(%+v) = %v, want %q", r, err, want)
		}
	}
}
