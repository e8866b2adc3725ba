package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/datasources"
)

func TestRead(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "token "+r.Header.Get("X-Token")+r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Twice"] = []string{"a", "b"}
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.Header.Get("X-Token")+" "+string(body))
	})
	mux.Handle("/here", http.RedirectHandler("/echo", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(other.URL, http.StatusFound))
	mux.Handle("/post-there", http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, largest+1))
	})
	mux.HandleFunc("/binary", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0xfe}) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Run("group", func(t *testing.T) {
		for name, c := range map[string]struct {
			path, method, body string
			want, fail         string
		}{
			"get":                     {path: "/echo", want: "GET secret "},
			"post":                    {path: "/echo", method: "POST", body: "text", want: "POST secret text"},
			"head":                    {path: "/echo", method: "HEAD"},
			"redirect":                {path: "/here", want: "GET secret "},
			"redirect to other":       {path: "/there", want: "token "},
			"body redirected":         {path: "/post-there", method: "POST", body: "text", fail: "is not sent the request_body"},
			"redirects for ever":      {path: "/round", fail: "redirects more than 10 times"},
			"not found":               {path: "/nothing?key=hidden", fail: "/nothing: the server answered 404 Not Found"},
			"large":                   {path: "/large", fail: "more than 16 MiB"},
			"no text, so no template": {path: "/binary", fail: "no text in UTF-8"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cfg := Definition().New().(*Config)
				cfg.URL, cfg.RequestBody, cfg.RequestHeaders = server.URL+c.path, c.body, map[string]string{"X-Token": "secret", "Authorization": "secret"}
				if c.method != "" {
					cfg.Method = c.method
				}
				if err := cfg.Check(); err != nil {
					t.Fatal(err)
				}
				got, err := cfg.Read(t.Context(), datasources.Input{})
				if c.fail != "" {
					if err == nil || !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "hidden") {
						t.Errorf("error %v, want it to say %q", err, c.fail)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				out := got.(Output)
				if out.Body != c.want || out.URL != cfg.URL {
					t.Errorf("%+v, want the body %q", out, c.want)
				}
				if twice := out.RequestHeaders["X-Twice"]; strings.HasPrefix(c.want, "GET") && twice != "a, b" {
					t.Errorf("a header that came twice is %q", twice)
				}
			})
		}
	})
}

func TestReadNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	_, err := (&Config{URL: "http://me:hunter22@" + server.Listener.Addr().String(), Method: "GET"}).Read(t.Context(), datasources.Input{})
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("error %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config Config
		fail   string
	}{
		{Config{URL: "https://example.com", Method: "GET"}, ""},
		{Config{Method: "GET"}, "url: is empty"},
		{Config{URL: "ftp://example.com", Method: "GET"}, "url: it is no http or https URL"},
		{Config{URL: "example.com", Method: "GET"}, "url: it is no http or https URL"},
		{Config{URL: "https://example.com", Method: "TRACE"}, `method: "TRACE" is not one of HEAD`},
	} {
		err := c.config.Check()
		if c.fail == "" && err != nil || c.fail != "" && (err == nil || !strings.HasPrefix(err.Error(), c.fail)) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}
