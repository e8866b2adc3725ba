package container

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
)

// authority signs certificates for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.pem, _, a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign signs c for a new key; by itself where it is the authority's.
func (a *authority) sign(c *x509.Certificate) (cert, keyPEM []byte, parsed *x509.Certificate, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if parsed, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", secret), parsed, key
}

// dir writes ca.pem, and a certificate that this authority signed, as cert.pem
// and key.pem.
func (a *authority) dir(usage x509.ExtKeyUsage) string {
	a.t.Helper()
	cert, key, _, _ := a.sign(&x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	dir := a.t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": a.pem, "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

// listenTLS starts a BuildKit daemon that lets in who shows a certificate of
// the authority, and returns its address.
func listenTLS(t *testing.T, a *authority) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cannot run here: a second BuildKit daemon needs root")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	certs, root := a.dir(x509.ExtKeyUsageServerAuth), t.TempDir()
	program, err := exec.LookPath("buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	// As ingot starts its own: in namespaces that its mounts and containers end with.
	cmd := exec.Command(os.Args[0], buildkitd.Command, "--init", program, "--addr", "tcp://"+address, "--root", root,
		"--tlscacert", filepath.Join(certs, "ca.pem"), "--tlscert", filepath.Join(certs, "cert.pem"), "--tlskey", filepath.Join(certs, "key.pem"),
		"--oci-worker=true", "--containerd-worker=false", "--cdi-disabled", "--otel-socket-path", filepath.Join(root, "traces"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "tcp://" + address
		}
		select {
		case <-ended:
			t.Fatalf("buildkitd: %s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A daemon over TLS is used with the certificates of INGOT_BUILDKIT_TLS_DIR,
// and refuses those of somebody else.
func TestBuildKitTLS(t *testing.T) {
	b := newBench(t, nil)
	ours := newAuthority(t)
	t.Setenv(hostEnv, listenTLS(t, ours))
	b.host.Cache = t.TempDir()
	if err := os.Symlink(filepath.Join(cache, "bases"), filepath.Join(b.host.Cache, "bases")); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.builder, err = debianConfig().Open(b.host); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tlsDirEnv, ours.dir(x509.ExtKeyUsageClientAuth))
	s := b.begin()
	b.apply(s, sh("echo over TLS"))
	if !b.has("over TLS") {
		t.Errorf("printed %q", b.output())
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for name, dir := range map[string]string{"another authority's": newAuthority(t).dir(x509.ExtKeyUsageClientAuth), "no": ""} {
		t.Setenv(tlsDirEnv, dir)
		_, err := b.tryBegin()
		if err == nil || !strings.Contains(err.Error(), "does not answer") || builders.Hint(err) == "" {
			t.Errorf("%s certificate: %v", name, err)
		}
	}
}
