package ssh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// peer returns a command that runs a script on the server with OpenSSH's client.
func peer(b testing.TB, s *sshtest.Server, script string) *exec.Cmd {
	b.Helper()
	return exec.Command("ssh", "-F", "none", "-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-i", s.KeyFile, "-p", strconv.Itoa(s.Port), s.User+"@"+s.Host, script)
}

// BenchmarkUpload uploads 512 MB, and so does OpenSSH; the ratio is of whole
// runs, with the connection.
func BenchmarkUpload(b *testing.B) {
	s := sshtest.Run(b, sshtest.Options{})
	file := filepath.Join(b.TempDir(), "data")
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	for range 512 {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	f.Close()
	blob, err := op.FileBlob(file)
	if err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		conn := connect(b, config(s))
		if err := conn.Put(b.Context(), op.File{Path: s.Dir + "/ours", Blob: blob}); err != nil {
			b.Fatal(err)
		}
		conn.Close()
		ours += time.Since(start)

		start = time.Now()
		cmd := peer(b, s, "cat > "+s.Dir+"/theirs")
		if cmd.Stdin, err = os.Open(file); err != nil {
			b.Fatal(err)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatal(err, string(out))
		}
		theirs += time.Since(start)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

// BenchmarkStep runs a step of one session.
func BenchmarkStep(b *testing.B) {
	s := sshtest.Run(b, sshtest.Options{})
	conn := connect(b, config(s))
	for b.Loop() {
		sh(b, conn, "true")
	}
}

// BenchmarkConnect connects and logs in.
func BenchmarkConnect(b *testing.B) {
	s := sshtest.Run(b, sshtest.Options{})
	for b.Loop() {
		connect(b, config(s)).Close()
	}
}
