package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// errLogin says that the server refused the login.
var errLogin = errors.New("the server refused the user name or the password")

// CertificateError says that the machine shows another certificate than before.
type CertificateError struct{ Want, Got string } // SHA-256, hex

func (e *CertificateError) Error() string {
	return fmt.Sprintf("the certificate is not the one seen before: expected SHA-256 %s, got %s", e.Want, e.Got)
}

// Hint says what may have happened.
func (e *CertificateError) Hint() string {
	return "another machine answers at this address, or a step gave WinRM a new certificate: do that in the last step"
}

// statusError is an answer that is no SOAP.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("it answers %d %s, which is not WinRM", e.code, e.text)
}

// hint returns what the user can do about an error.
func hint(err error) string {
	var (
		changed *CertificateError
		verify  *tls.CertificateVerificationError
		dns     *net.DNSError
		status  *statusError
		netErr  net.Error
	)
	switch {
	case errors.Is(err, errLogin):
		return "check winrm_username and winrm_password; basic authentication must be allowed (winrm set winrm/config/service/auth @{Basic=\"true\"}, and AllowUnencrypted without winrm_use_ssl), or set winrm_use_ntlm = true"
	case errors.As(err, &changed):
		return changed.Hint()
	case errors.As(err, &verify):
		return "a machine mostly has a certificate that it signed itself: winrm_insecure = true takes it, and pins it for the build"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the port speaks HTTP: leave out winrm_use_ssl, or use the port of HTTPS (5986)"
	case errors.As(err, &dns):
		return "check the host name"
	case errors.As(err, &status):
		return "something else than WinRM listens there: check winrm_port"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: the machine has to turn WinRM on by itself, e.g. by user data"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "nothing answered: check the address, and firewalls in between; winrm_timeout sets how long to wait"
	}
	return ""
}

// final reports whether trying to connect again is of no use.
func final(err error) bool {
	var (
		changed *CertificateError
		verify  *tls.CertificateVerificationError
	)
	return errors.As(err, &changed) || errors.As(err, &verify) || errors.Is(err, http.ErrSchemeMismatch)
}
