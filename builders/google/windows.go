package google

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what the agent encrypts with
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/winrm"
)

// usualPasswordTime is how long the agent of Windows may take to make a password.
const usualPasswordTime = 3 * time.Minute

// The agent of a Windows instance makes an account for each key in this
// metadata, and writes its password, encrypted for the key, to the fourth
// serial port:
// https://cloud.google.com/compute/docs/instances/windows/automate-pw-generation
const (
	windowsKeysKey = "windows-keys"
	passwordPort   = 4
	passwordBits   = 2048
)

const (
	firstPasswordPause   = time.Second
	longestPasswordPause = 5 * time.Second
)

// windowsKey is a line of the metadata.
type windowsKey struct {
	UserName string `json:"userName"`
	Modulus  string `json:"modulus"`
	Exponent string `json:"exponent"`
	Email    string `json:"email"`
	ExpireOn string `json:"expireOn"`
}

// windowsAnswer is a line of the serial port.
type windowsAnswer struct {
	UserName      string `json:"userName"`
	Modulus       string `json:"modulus"`
	PasswordFound bool   `json:"passwordFound"`
	Password      string `json:"encryptedPassword"`
	Error         string `json:"errorMessage"`
}

// windows returns the builder of Windows images.
func (c *cloud) windows() (builders.Builder, error) {
	var err error
	if c.winrm, err = c.WinRMClient(c.PauseBeforeConnecting); err != nil {
		return nil, err
	}
	if password := c.winrm.Password(); password != "" {
		c.host.Secrets.Add(password)
	}
	return &builder{Builder: machine.Windows(c, c.winrm), cloud: c}, nil
}

// Supports refuses plays on a Windows instance that nobody but ingot gets to.
func (b *builder) Supports(k op.Kind) error {
	if k == op.KindConnected && b.cloud.winrm != nil && b.cloud.UseIAP {
		return builders.WithHint(errors.New("use_iap leads nobody but ingot to the port of WinRM"), "leave use_iap out")
	}
	return b.Builder.Supports(k)
}

// door is the port that the instance is reached at.
func (c *cloud) door() int {
	if c.winrm != nil {
		return c.winrm.Port()
	}
	return c.Port
}

// makeWindowsKey makes the key that the password is encrypted for.
func (l *launch) makeWindowsKey() error {
	l.user = l.winrm.User()
	if l.winrm.Password() != "" {
		return nil
	}
	var err error
	l.windows, err = rsa.GenerateKey(rand.Reader, passwordBits)
	return err
}

// addWindowsKey asks the agent for an account.
func (l *launch) addWindowsKey(values map[string]string) error {
	line, err := json.Marshal(windowsKey{
		UserName: l.user, Modulus: modulus(l.windows), Email: "ingot@localhost",
		Exponent: base64.StdEncoding.EncodeToString(big.NewInt(int64(l.windows.E)).Bytes()),
		ExpireOn: time.Now().UTC().Add(l.stateTimeout() + l.passwordTime()).Format(time.RFC3339),
	})
	values[windowsKeysKey] = strings.TrimSpace(values[windowsKeysKey] + "\n" + string(line))
	return err
}

func modulus(k *rsa.PrivateKey) string { return base64.StdEncoding.EncodeToString(k.N.Bytes()) }

func (c *Config) passwordTime() time.Duration {
	return cmp.Or(c.WindowsPasswordTimeout, usualPasswordTime)
}

// ConnectWinRM logs in, with the password that the agent makes where none is
// given, and shows the instance's console where that is not possible.
func (m *instance) ConnectWinRM(ctx context.Context, client *winrm.Client) (*winrm.Conn, error) {
	if m.windows != nil {
		password, err := m.windowsPassword(ctx)
		if err != nil {
			return nil, err
		}
		m.host.Secrets.Add(password)
		m.password = password
	}
	if m.password != "" {
		client = client.WithPassword(m.password)
	}
	t := winrm.Target{Host: m.target(), Port: m.door()}
	if m.UseIAP {
		t.Dial = func(ctx context.Context) (net.Conn, error) { return m.Dial(ctx) }
	}
	conn, err := client.Connect(ctx, t)
	if err == nil || ctx.Err() != nil {
		return conn, err
	}
	look, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return nil, m.explainConnect(look, err)
}

// windowsPassword reads the serial port until the password is there.
func (m *instance) windowsPassword(ctx context.Context) (string, error) {
	m.env.Log.Say("Waiting for the password of the Windows instance...")
	within, cancel := context.WithTimeout(ctx, m.passwordTime())
	defer cancel()
	var start int64
	var held string
	for wait := firstPasswordPause; ; wait = min(wait*2, longestPasswordPause) {
		out, err := m.api.Compute.Instances.GetSerialPortOutput(m.ProjectID, m.Zone, m.name).Port(passwordPort).Start(start).Context(within).Do()
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil && within.Err() == nil:
			return "", fmt.Errorf("read the serial port of %s: %w", m.name, gcp.Explain(err))
		case err == nil:
			held, start = held+out.Contents, out.Next
			password, found, err := m.findPassword(held)
			if err != nil || found {
				return password, err
			}
			held = held[strings.LastIndexByte(held, '\n')+1:]
		}
		if pause.For(within, wait) != nil && ctx.Err() == nil {
			return "", builders.WithHint(fmt.Errorf("the instance %s has no password after %s", m.name, m.passwordTime()),
				"the image must be a Windows one with Google's agent; windows_password_timeout sets how long to wait, winrm_password gives one")
		}
	}
}

// findPassword looks for the line with the password.
func (m *instance) findPassword(text string) (password string, found bool, err error) {
	for line := range strings.Lines(text) {
		var a windowsAnswer
		if json.Unmarshal([]byte(line), &a) != nil || a.Modulus != modulus(m.windows) {
			continue
		}
		if !a.PasswordFound || a.Password == "" {
			return "", false, fmt.Errorf("the agent of %s made no password for %s: %s", m.name, a.UserName, cmp.Or(a.Error, "it does not say why"))
		}
		raw, err := base64.StdEncoding.DecodeString(a.Password)
		if err != nil {
			return "", false, fmt.Errorf("read the password of Windows: %w", err)
		}
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, m.windows, raw, nil)
		if err != nil {
			return "", false, fmt.Errorf("decrypt the password of Windows: %w", err)
		}
		return string(plain), true, nil
	}
	return "", false, nil
}
