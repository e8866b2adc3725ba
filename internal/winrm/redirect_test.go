package winrm

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
)

// A machine does not lead to other ones, with what was meant for it.
func TestRedirect(t *testing.T) {
	t.Parallel()
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	machine := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer machine.Close()
	at, err := url.Parse(machine.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	w := (&Client{}).wire(Target{Host: at.Hostname(), Port: port}, &pin{})
	defer w.close()
	var status *statusError
	if _, err := w.post(t.Context(), "a message"); !errors.As(err, &status) || status.code != http.StatusTemporaryRedirect || asked {
		t.Errorf("%v, the other one was asked: %t", err, asked)
	}
}
