package ec2

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// scope is what the Authorization header of a request says.
type scope struct {
	key, date, region, service string
	signed                     []string // names of headers
	signature                  string
}

const algorithm = "AWS4-HMAC-SHA256"

// parseScope reads "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=…".
func parseScope(header string) (scope, bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return scope{}, false
	}
	var s scope
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			f := strings.Split(value, "/")
			if len(f) != 5 || f[4] != "aws4_request" {
				return scope{}, false
			}
			s.key, s.date, s.region, s.service = f[0], f[1], f[2], f[3]
		case "SignedHeaders":
			s.signed = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	return s, s.key != "" && s.signature != "" && len(s.signed) > 0
}

// verify reports whether the request was signed with the secret (Signature
// Version 4). body is the SHA-256 of its body, in hex, or what the header
// X-Amz-Content-Sha256 says in place of it.
func (s scope) verify(r *http.Request, body, secret string) bool {
	canonical := strings.Join([]string{
		r.Method, canonicalPath(r.URL), canonicalQuery(r.URL.Query()),
		s.canonicalHeaders(r), strings.Join(s.signed, ";"), body,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{
		algorithm, r.Header.Get("X-Amz-Date"),
		strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/"),
		hex.EncodeToString(sum[:]),
	}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	want, err := hex.DecodeString(s.signature)
	return err == nil && hmac.Equal(want, key)
}

func canonicalPath(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (s scope) canonicalHeaders(r *http.Request) string {
	var b bytes.Buffer
	for _, name := range s.signed {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		if name == "content-length" && len(values) == 0 {
			values = []string{itoa(int(r.ContentLength))}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return b.String()
}
