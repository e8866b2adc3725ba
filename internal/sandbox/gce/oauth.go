package gce

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"google.golang.org/api/iamcredentials/v1"
)

// defaultUser has any token that this server did not give out.
const defaultUser = "ingot@sandbox.iam.gserviceaccount.com"

const (
	tokenPrefix = "ya29.sandbox."
	tokenLife   = time.Hour
)

// accessToken is the answer of a token endpoint.
type accessToken struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope,omitempty"`
}

// newToken makes a token that says whose it is, and what it is good for.
func newToken(email string, scopes ...string) accessToken {
	encode := base64.RawURLEncoding.EncodeToString
	token := tokenPrefix + encode([]byte(email)) + "." + rand.Text()
	if len(scopes) > 0 {
		token += "." + encode([]byte(strings.Join(scopes, " ")))
	}
	return accessToken{AccessToken: token,
		ExpiresIn: int(tokenLife / time.Second), TokenType: "Bearer"}
}

// owner is who has a token.
func owner(token string) string {
	of, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return defaultUser
	}
	of, _, _ = strings.Cut(of, ".")
	email, err := base64.RawURLEncoding.DecodeString(of)
	if err != nil || len(email) == 0 {
		return defaultUser
	}
	return string(email)
}

// tokenScopes are those that a machine's token is good for; none is all.
func tokenScopes(token string) []string {
	parts := strings.Split(strings.TrimPrefix(token, tokenPrefix), ".")
	if !strings.HasPrefix(token, tokenPrefix) || len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

func bearer(r *http.Request) string {
	if kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		return token
	}
	return r.URL.Query().Get("access_token")
}

// caller is who sent a request.
func caller(r *http.Request) (string, error) {
	token := bearer(r)
	if token == "" {
		return "", &apiError{Code: 401, Reason: "required", Status: "UNAUTHENTICATED", Message: "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."}
	}
	return owner(token), nil
}

// token answers the token endpoint: for the signed claim of a service account,
// and for the refresh token of a user. Signatures are not checked: no account
// has registered a key here.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		tokenError(w, "invalid_request", "POST a form.")
		return
	}
	var t accessToken
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		var claim struct {
			Issuer string `json:"iss"`
			Scope  string `json:"scope"`
			Until  int64  `json:"exp"`
		}
		parts := strings.Split(r.PostForm.Get("assertion"), ".")
		if len(parts) != 3 {
			tokenError(w, "invalid_grant", "Invalid JWT.")
			return
		}
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || json.Unmarshal(text, &claim) != nil || claim.Issuer == "" {
			tokenError(w, "invalid_grant", "Invalid JWT: its claims cannot be read.")
			return
		}
		if time.Now().After(time.Unix(claim.Until, 0)) {
			tokenError(w, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
			return
		}
		t = newToken(claim.Issuer)
		t.Scope = claim.Scope
	case "refresh_token":
		if r.PostForm.Get("refresh_token") == "" {
			tokenError(w, "invalid_grant", "Bad Request")
			return
		}
		t = newToken("user@example.com")
	default:
		tokenError(w, "unsupported_grant_type", "Invalid grant_type: "+grant)
		return
	}
	writeJSON(w, http.StatusOK, t)
}

// impersonate gives anybody a token of any service account.
func impersonate(c *call) (any, error) {
	var asked iamcredentials.GenerateAccessTokenRequest
	if err := c.into(&asked); err != nil {
		return nil, err
	}
	if len(asked.Scope) == 0 {
		return nil, &apiError{Code: 400, Reason: "badRequest", Status: "INVALID_ARGUMENT", Message: "Request contains an invalid argument: scope is empty."}
	}
	return &iamcredentials.GenerateAccessTokenResponse{AccessToken: newToken(last(c.param("name"))).AccessToken,
		ExpireTime: time.Now().Add(tokenLife).UTC().Format(time.RFC3339)}, nil
}

func tokenError(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

const cloudScope = "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email"

// tokenInfo says whose a token is, in the words of the older versions of the
// API or of the current one.
func (s *Server) tokenInfo(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("access_token")
	if token == "" {
		token = bearer(r)
	}
	if token == "" {
		tokenError(w, "invalid_token", "Invalid Value")
		return
	}
	email := owner(token)
	id := login{Email: email}.id()
	out := map[string]any{"scope": cloudScope, "email": email, "access_type": "online"}
	if strings.HasPrefix(r.URL.Path, "/oauth2/v1/") || strings.HasPrefix(r.URL.Path, "/oauth2/v2/") {
		out["issued_to"], out["audience"], out["user_id"], out["verified_email"] = id, id, id, true
		out["expires_in"] = int(tokenLife / time.Second)
	} else {
		out["azp"], out["aud"], out["sub"], out["email_verified"] = id, id, id, "true"
		out["expires_in"] = "3599"
		out["exp"] = time.Now().Add(tokenLife).Unix()
	}
	writeJSON(w, http.StatusOK, out)
}
