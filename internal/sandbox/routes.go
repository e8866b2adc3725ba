package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

// routes sends a request to the service that it is for: Google's have paths,
// AWS's are told apart by their signature.
func (s *Server) routes() http.Handler {
	admin := s.admin()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, adminPath):
			admin.ServeHTTP(w, r)
		case isAWS(r):
			s.ec2.ServeHTTP(w, r) // which checks the signature
		default:
			s.serveGoogle(w, r)
		}
	})
}

// isAWS reports whether a request is signed for AWS, or is one that needs no
// signature, such as sts.AssumeRoleWithWebIdentity.
func isAWS(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") || r.URL.Query().Has("X-Amz-Algorithm") ||
		r.URL.Path == "/" && r.Header.Get("Authorization") == ""
}

func (s *Server) serveGoogle(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.URL.Path != "/token" && token != s.access.GoogleToken && !(s.options.Trusting && token != "") {
		refuseGoogle(w)
		return
	}
	s.gce.ServeHTTP(w, r)
}

func refuseGoogle(w http.ResponseWriter) {
	const message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": http.StatusUnauthorized, "message": message, "status": "UNAUTHENTICATED",
		"errors": []map[string]string{{"message": "Invalid Credentials", "domain": "global", "reason": "authError", "location": "Authorization", "locationType": "header"}},
	}})
}
