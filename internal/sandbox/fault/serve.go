package fault

import (
	"net/http"

	"github.com/ingot-build/ingot/internal/pause"
)

// Serve answers one call: by act, or as the rule says that hits it. render
// writes the error of a rule in the service's form. A call may end with "@" and
// its region or zone. A nil set only acts.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, call string, act http.HandlerFunc, render func(http.ResponseWriter, *http.Request, Rule)) {
	if s == nil {
		act(w, r)
		return
	}
	rule, ok := s.hit(call)
	if !ok {
		act(w, r)
		return
	}
	switch rule.Do {
	case Error:
		render(w, r, rule)
	case Drop:
		hangUp()
	case DropAfter:
		act(discard{http.Header{}}, r)
		hangUp()
	case Kill:
		killPeer(r)
		hangUp()
	case KillAfter:
		act(discard{http.Header{}}, r)
		killPeer(r)
		hangUp()
	case Delay:
		if pause.For(r.Context(), rule.Wait()) == nil {
			act(w, r)
		}
	case Spot:
		act(w, r)
		s.Interrupt(rule.Wait())
	}
}

// hangUp closes the connection of the handler that calls it, with no answer.
func hangUp() { panic(http.ErrAbortHandler) }

// discard takes an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
