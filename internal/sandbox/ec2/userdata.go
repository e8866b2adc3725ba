package ec2

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
)

func dashed(addr string) string { return strings.NewReplacer(".", "-", ":", "-").Replace(addr) }

// firstBoot returns the script that user data (base64) is run by at the first
// boot, as cloud-init would: one that begins with "#!", or those among the
// parts of a MIME multipart. What is not run it says on the console.
func firstBoot(data string) []byte {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(raw) == 0 {
		return nil
	}
	raw = unzip(raw)
	if bytes.HasPrefix(raw, []byte("#!")) {
		return raw
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	parts, ok := multiparts(raw)
	if !ok {
		b.WriteString(note(raw))
	}
	for i, p := range parts {
		if !bytes.HasPrefix(p, []byte("#!")) {
			b.WriteString(note(p))
			continue
		}
		fmt.Fprintf(&b, "base64 -d > /run/user-data-%d <<'END'\n%s\nEND\nchmod 700 /run/user-data-%d && /run/user-data-%d\n",
			i, base64.StdEncoding.EncodeToString(p), i, i)
	}
	return []byte(b.String())
}

const mostUnzipped = 1 << 20

func unzip(raw []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw
	}
	plain, err := io.ReadAll(io.LimitReader(z, mostUnzipped))
	if err != nil {
		return raw
	}
	return plain
}

// note says that user data is not run.
func note(raw []byte) string {
	what := "user data"
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("#cloud-config")) {
		what = "cloud-config user data"
	}
	return "echo 'sandbox: " + what + " is not run: only scripts that begin with #! are'\n"
}

// multiparts returns the bodies of a MIME multipart message, also of those in
// its parts.
func multiparts(raw []byte) ([][]byte, bool) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, false
	}
	return bodies(textproto.MIMEHeader(msg.Header), msg.Body)
}

func bodies(h textproto.MIMEHeader, body io.Reader) ([][]byte, bool) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, false
	}
	var all [][]byte
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err != nil {
			return all, err == io.EOF
		}
		if inner, ok := bodies(p.Header, p); ok {
			all = append(all, inner...)
			continue
		}
		var from io.Reader = p
		if strings.EqualFold(p.Header.Get("Content-Transfer-Encoding"), "base64") {
			from = base64.NewDecoder(base64.StdEncoding, p)
		}
		text, err := io.ReadAll(from)
		if err != nil {
			return all, false
		}
		all = append(all, text)
	}
}
