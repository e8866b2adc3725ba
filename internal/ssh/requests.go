package ssh

import gossh "golang.org/x/crypto/ssh"

// acknowledge passes on what the server asks by itself, and says a word after
// the first of it. OpenSSH tells its host keys after the login, and then holds
// back its answer to the first session until they are acknowledged (Nagle's
// algorithm); the kernel of this host, with nothing to send, would let it wait
// for 40 ms.
func acknowledge(conn gossh.Conn, in <-chan *gossh.Request) <-chan *gossh.Request {
	out := make(chan *gossh.Request)
	go func() {
		defer close(out)
		said := false
		for req := range in {
			if !said {
				said = true
				_, _, _ = conn.SendRequest("keepalive@openssh.com", false, nil)
			}
			out <- req
		}
	}()
	return out
}
