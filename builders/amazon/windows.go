package amazon

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/winrm"
)

// usualPasswordTime is how long EC2 may take to know the password of Windows.
const usualPasswordTime = 20 * time.Minute

// EC2 knows the password some minutes after the launch, and tells it for one
// instance at a time: nobody needs to ask often.
const (
	firstPasswordPause   = time.Second
	longestPasswordPause = 10 * time.Second
)

// openWindows checks the options of a Windows instance.
func (s *source) openWindows(w winrm.Options) error {
	var err error
	if s.winrm, err = w.WinRMClient(s.comm.PauseBeforeConnecting); err != nil {
		return err
	}
	if password := s.winrm.Password(); password != "" {
		s.host.Secrets.Add(password)
		return nil
	}
	switch kind := s.keys.TemporaryKeyPairType; {
	case s.comm.AgentAuth && s.keys.KeypairName != "":
		return advise("ssh_agent_auth", "an agent can't read the password of Windows", "set ssh_private_key_file, or winrm_password")
	case s.keys.KeypairName != "" && s.comm.PrivateKeyFile == "":
		return advise("ssh_keypair_name", "its private key is not known, which the password of Windows is encrypted for",
			"set ssh_private_key_file, or winrm_password")
	case s.keys.KeypairName == "" && s.comm.PrivateKeyFile != "":
		return advise("ssh_private_key_file", "EC2 does not know this key, which the password of Windows is to be encrypted for",
			"set ssh_keypair_name too, or leave both out: a key pair is made for the build")
	case s.keys.KeypairName != "" && s.keys.TemporaryKeyPairName != "":
		return component.Errorf("temporary_key_pair_name", "is set together with ssh_keypair_name: use one of them")
	case s.keys.KeypairName != "":
		_, err := s.readKey()
		return err
	case kind != "" && kind != "rsa":
		return component.Errorf("temporary_key_pair_type", "the password of Windows is encrypted for a key of type rsa, not %s", kind)
	}
	s.keys.TemporaryKeyPairType = "rsa"
	return nil
}

// readKey returns the private key of ssh_private_key_file.
func (s *source) readKey() (string, error) {
	text, err := os.ReadFile(hostfile.Path(s.dir, s.comm.PrivateKeyFile))
	if err != nil {
		return "", component.Errorf("ssh_private_key_file", "%v", err)
	}
	if _, err := rsaKey(string(text)); err != nil {
		return "", component.Errorf("ssh_private_key_file", "%v", err)
	}
	return string(text), nil
}

func rsaKey(text string) (*rsa.PrivateKey, error) {
	key, err := gossh.ParseRawPrivateKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("the private key can't be read: %s", strings.TrimPrefix(err.Error(), "ssh: "))
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the password of Windows is encrypted for a key of type RSA, and this is %T", key)
	}
	return k, nil
}

// builder returns the builder of a cloud's machines.
func (s *source) builder(c machine.Cloud) builders.Builder {
	if s.winrm != nil {
		return machine.Windows(c, s.winrm)
	}
	return machine.Builder(c, s.ssh)
}

// reached reports whether anybody logs in to the instance.
func (s *source) reached() bool { return s.ssh != nil || s.winrm != nil }

// givenHost is the address that the options give, "" where the instance has one.
func (s *source) givenHost() string {
	if s.winrm != nil {
		return s.winrm.Host()
	}
	return s.comm.Host
}

// door is the port that the instance is reached at.
func (s *source) door() int {
	if s.winrm != nil {
		return s.winrm.Port()
	}
	return s.comm.Port
}

// wantsKey reports whether a key pair is to be made.
func (s *source) wantsKey() bool {
	if s.winrm != nil {
		return s.winrm.Password() == "" && s.keys.KeypairName == ""
	}
	return s.ssh != nil && !s.ssh.HasLogin()
}

// ConnectWinRM logs in to a Windows instance, whose password EC2 tells where it
// is not given. An instance that ends meanwhile ends the waiting.
func (i *instance) ConnectWinRM(ctx context.Context, c *winrm.Client) (*winrm.Conn, error) {
	watched, stop := i.watched(ctx)
	defer stop()
	if c.Password() == "" {
		password, err := i.windowsPassword(watched)
		if err != nil {
			return nil, cmp.Or(endOf(watched, ctx), err)
		}
		i.host.Secrets.Add(password)
		i.password.Store(&password)
		c = c.WithPassword(password)
	}
	conn, err := c.Connect(watched, winrm.Target{Host: i.address(i.last()), Port: i.port()})
	if err != nil {
		return nil, i.notReached(ctx, cmp.Or(endOf(watched, ctx), err))
	}
	return conn, nil
}

// windowsPassword waits until EC2 knows the password, and decrypts it.
func (i *instance) windowsPassword(ctx context.Context) (string, error) {
	private := i.key.Private
	if private == "" {
		var err error
		if private, err = i.readKey(); err != nil {
			return "", err
		}
	}
	key, err := rsaKey(private)
	if err != nil {
		return "", err
	}
	i.env.Log.Say("Waiting for the password of the Windows instance, which takes some minutes...")
	limit := cmp.Or(i.run.WindowsPasswordTimeout, usualPasswordTime)
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := firstPasswordPause; ; wait = min(wait*2, longestPasswordPause) {
		out, err := i.r.EC2.GetPasswordData(within, &ec2.GetPasswordDataInput{InstanceId: &i.id})
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case within.Err() != nil:
		case err != nil:
			return "", i.r.explain(ctx, "ask for the password of Windows", err)
		case strings.TrimSpace(aws.ToString(out.PasswordData)) != "":
			return decrypt(key, strings.TrimSpace(aws.ToString(out.PasswordData)))
		}
		if pause.For(within, wait) != nil && ctx.Err() == nil {
			return "", builders.WithHint(fmt.Errorf("EC2 does not know the password of the instance %s after %s", i.id, limit),
				"the image must be a Windows one that makes a password at its first start (EC2Launch); windows_password_timeout sets how long to wait, winrm_password gives one")
		}
	}
}

func decrypt(key *rsa.PrivateKey, text string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("read the password of Windows: %w", err)
	}
	// PKCS #1 v1.5 is what EC2 encrypts with:
	// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetPasswordData.html
	//lint:ignore SA1019 EC2 encrypts passwords so
	password, err := rsa.DecryptPKCS1v15(rand.Reader, key, raw)
	if err != nil {
		return "", builders.WithHint(fmt.Errorf("decrypt the password of Windows: %w", err), "ssh_private_key_file is not the key of ssh_keypair_name")
	}
	return string(password), nil
}
