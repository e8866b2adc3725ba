package winrmtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"strings"
	"unicode/utf16"

	//lint:ignore SA1019 NTLM is made of it
	"golang.org/x/crypto/md4"
)

// handshake is where a connection is with its login by NTLM.
type handshake struct {
	challenge []byte
	done      bool
}

// forget drops the login of a connection that has ended.
func (s *Server) forget(c net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		s.mu.Lock()
		delete(s.logins, c.RemoteAddr().String())
		s.mu.Unlock()
	}
}

// login checks who sends a request. Where it is not known it answers 401.
func (s *Server) login(w http.ResponseWriter, r *http.Request) bool {
	if !s.options.NTLM {
		user, password, ok := r.BasicAuth()
		if ok && user == User && subtle.ConstantTimeCompare([]byte(password), []byte(s.Password)) == 1 {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="WSMAN"`)
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	answer, ok := s.ntlm(r)
	if ok {
		return true
	}
	w.Header().Set("WWW-Authenticate", strings.TrimSpace("Negotiate "+answer))
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

// ntlm takes one message of a login by NTLM (MS-NLMP), which is a connection's.
func (s *Server) ntlm(r *http.Request) (answer string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.logins[r.RemoteAddr]
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "Negotiate" && scheme != "NTLM" {
		return "", known != nil && known.done
	}
	msg, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(msg) < 12 || string(msg[:8]) != "NTLMSSP\x00" {
		return "", false
	}
	switch binary.LittleEndian.Uint32(msg[8:]) {
	case 1:
		h := &handshake{challenge: make([]byte, 8)}
		_, _ = rand.Read(h.challenge)
		s.logins[r.RemoteAddr] = h
		return base64.StdEncoding.EncodeToString(challengeMessage(h.challenge)), false
	case 3:
		if known == nil || known.done {
			return "", false
		}
		known.done = verify(msg, known.challenge, s.Password) == nil
		return "", known.done
	}
	return "", false
}

// Flags of MS-NLMP 2.2.2.5 that the server speaks.
const (
	flagUnicode    = 1 << 0
	flagNTLM       = 1 << 9
	flagTargetInfo = 1 << 23
	flagExtended   = 1 << 19
	flagAlwaysSign = 1 << 15
	flagDomain     = 1 << 16
)

func challengeMessage(challenge []byte) []byte {
	name := wide("WINRMTEST")
	var info bytes.Buffer
	for _, id := range []uint16{2, 1} { // domain, computer
		_ = binary.Write(&info, binary.LittleEndian, []uint16{id, uint16(len(name))})
		info.Write(name)
	}
	_ = binary.Write(&info, binary.LittleEndian, []uint16{0, 0})
	var m bytes.Buffer
	const head = 56
	m.WriteString("NTLMSSP\x00")
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&m, binary.LittleEndian, v)
		}
	}
	put(uint32(2), uint16(len(name)), uint16(len(name)), uint32(head))
	put(uint32(flagUnicode | flagNTLM | flagTargetInfo | flagExtended | flagAlwaysSign | flagDomain))
	m.Write(challenge)
	put(uint64(0), uint16(info.Len()), uint16(info.Len()), uint32(head+len(name)), uint64(0))
	m.Write(name)
	m.Write(info.Bytes())
	return m.Bytes()
}

// verify checks the answer to a challenge by NTLMv2.
func verify(msg, challenge []byte, password string) error {
	field := func(at int) []byte {
		if len(msg) < at+8 {
			return nil
		}
		n, off := int(binary.LittleEndian.Uint16(msg[at:])), int(binary.LittleEndian.Uint32(msg[at+4:]))
		if off+n > len(msg) {
			return nil
		}
		return msg[off : off+n]
	}
	response, domain, user := field(20), narrow(field(28)), narrow(field(36))
	if len(response) < 16 || user != User {
		return errors.New("not an NTLMv2 answer of the user")
	}
	hash := md4.New()
	hash.Write(wide(password))
	key := mac(hash.Sum(nil), wide(strings.ToUpper(user)+domain))
	if !hmac.Equal(mac(key, challenge, response[16:]), response[:16]) {
		return errors.New("wrong password")
	}
	return nil
}

func mac(key []byte, data ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

func wide(s string) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, utf16.Encode([]rune(s)))
	return b.Bytes()
}

func narrow(b []byte) string {
	units := make([]uint16, len(b)/2)
	_ = binary.Read(bytes.NewReader(b), binary.LittleEndian, units)
	return string(utf16.Decode(units))
}
