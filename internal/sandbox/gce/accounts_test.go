package gce

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/ed25519"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"
	"google.golang.org/api/oauth2/v2"
	"google.golang.org/api/option"
	"google.golang.org/api/oslogin/v1"
	"google.golang.org/api/secretmanager/v1"
)

func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key))
}

func TestOSLogin(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	api, err := oslogin.NewService(t.Context(), option.WithEndpoint(b.url+"/oslogin/"), option.WithHTTPClient(&http.Client{Transport: withToken{}}))
	if err != nil {
		t.Fatal(err)
	}
	b.insert(small("web"))
	b.setMetadata("web", "enable-oslogin", "TRUE")
	m := b.memory.machine("web")
	got, err := api.Users.ImportSshPublicKey("users/Ann.B@example.com", &oslogin.SshPublicKey{Key: publicKey(t), ExpirationTimeUsec: time.Now().Add(time.Hour).UnixMicro()}).ProjectId(proj).Do()
	if err != nil || got.LoginProfile.PosixAccounts[0].Username != "ann_b_example_com" || len(got.LoginProfile.SshPublicKeys) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	eventually(t, "the login", func() bool { return m.has("ann_b_example_com") && !m.has("ann") })
	for _, bad := range []*oslogin.SshPublicKey{{Key: "no key"}, {Key: publicKey(t), ExpirationTimeUsec: 1}} {
		_, err := api.Users.ImportSshPublicKey("users/ann@example.com", bad).Do()
		b.refused(err, 400, "badRequest", "Invalid SSH public key")
	}
	for print, key := range got.LoginProfile.SshPublicKeys {
		b.inventory("gce acme-images/zones/us-central1-a/disks/web (ready)", "gce acme-images/zones/us-central1-a/instances/web (running)",
			"gce users/Ann.B@example.com/sshPublicKeys/"+print)
		if one, err := api.Users.SshPublicKeys.Get(key.Name).Do(); err != nil || one.Fingerprint != print {
			t.Errorf("%+v, %v", one, err)
		}
		if _, err := api.Users.SshPublicKeys.Delete(key.Name).Do(); err != nil {
			t.Error(err)
		}
		_, err = api.Users.SshPublicKeys.Delete(key.Name).Do()
		b.refused(err, 404, "notFound", "was not found")
	}
	me, err := api.Users.GetLoginProfile("users/bot@acme.iam.gserviceaccount.com").Do()
	if err != nil || !strings.HasPrefix(me.PosixAccounts[0].Username, "sa_") || len(me.SshPublicKeys) != 0 {
		t.Errorf("%+v, %v", me, err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	api, err := secretmanager.NewService(t.Context(), option.WithEndpoint(b.url+"/"), option.WithHTTPClient(&http.Client{Transport: withToken{}}))
	if err != nil {
		t.Fatal(err)
	}
	secrets := api.Projects.Secrets
	_, err = secrets.Versions.Access("projects/acme/secrets/s/versions/latest").Do()
	b.refused(err, 404, "not_found", "Secret [projects/acme/secrets/s] not found or has no versions.")
	if _, err := secrets.Create("projects/acme", &secretmanager.Secret{}).SecretId("s").Do(); err != nil {
		t.Fatal(err)
	}
	_, err = secrets.Create("projects/acme", &secretmanager.Secret{}).SecretId("s").Do()
	b.refused(err, 409, "already_exists", "already exists")
	for _, value := range []string{"one", "two"} {
		if _, err := secrets.AddVersion("projects/acme/secrets/s", &secretmanager.AddSecretVersionRequest{
			Payload: &secretmanager.SecretPayload{Data: base64.StdEncoding.EncodeToString([]byte(value))}}).Do(); err != nil {
			t.Fatal(err)
		}
	}
	for version, want := range map[string]string{"1": "one", "2": "two", "latest": "two"} {
		got, err := secrets.Versions.Access("projects/acme/secrets/s/versions/" + version).Do()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := base64.StdEncoding.DecodeString(got.Payload.Data); string(text) != want || got.Payload.DataCrc32c == 0 {
			t.Errorf("%s: %s", version, text)
		}
	}
	_, err = secrets.Versions.Access("projects/acme/secrets/s/versions/3").Do()
	b.refused(err, 404, "not_found", "versions/3")
	b.inventory("gce acme/secrets/s")
	if _, err := secrets.Delete("projects/acme/secrets/s").Do(); err != nil {
		t.Fatal(err)
	}
	b.inventory()
}

// A token says whose it is.
func TestTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ask := func(form url.Values) (int, accessToken) {
		resp, err := http.PostForm(b.url+"/token", form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got accessToken
		_ = json.NewDecoder(resp.Body).Decode(&got)
		return resp.StatusCode, got
	}
	claim := func(until time.Time) string {
		text, _ := json.Marshal(map[string]any{"iss": "bot@acme.iam.gserviceaccount.com", "exp": until.Unix()})
		return "e30." + base64.RawURLEncoding.EncodeToString(text) + ".x"
	}
	const jwt = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	status, got := ask(url.Values{"grant_type": {jwt}, "assertion": {claim(time.Now().Add(time.Hour))}})
	if status != 200 || got.TokenType != "Bearer" || got.ExpiresIn != 3600 {
		t.Errorf("%d %+v", status, got)
	}
	api, err := oauth2.NewService(t.Context(), option.WithEndpoint(b.url+"/"), option.WithHTTPClient(http.DefaultClient))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := api.Tokeninfo().AccessToken(got.AccessToken).Do(); err != nil || info.Email != "bot@acme.iam.gserviceaccount.com" {
		t.Errorf("%+v, %v", info, err)
	}
	if status, got := ask(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r"}}); status != 200 || owner(got.AccessToken) != "user@example.com" {
		t.Errorf("%d %+v", status, got)
	}
	for _, bad := range []url.Values{{}, {"grant_type": {jwt}}, {"grant_type": {jwt}, "assertion": {claim(time.Unix(1, 0))}}, {"grant_type": {"refresh_token"}}} {
		if status, _ := ask(bad); status != 400 {
			t.Errorf("%v: %d", bad, status)
		}
	}
}

// end is the client's side of a relay.
type end struct {
	*websocket.Conn
	t *testing.T
}

func (b *bench) relay(path string, query url.Values) *end {
	b.t.Helper()
	ws, _, err := websocket.Dial(b.t.Context(), strings.Replace(b.url, "http", "ws", 1)+path+"?"+query.Encode(), &websocket.DialOptions{
		Subprotocols: []string{relayProtocol}, HTTPHeader: http.Header{"Authorization": {"Bearer x"}, "Origin": {"bot:iap-tunneler"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	return &end{Conn: ws, t: b.t}
}

// frame reads until a message of a kind.
func (e *end) frame(tag byte) []byte {
	e.t.Helper()
	for {
		_, m, err := e.Read(e.t.Context())
		if err != nil {
			e.t.Fatal(err)
		}
		if m[1] == tag {
			return m[2:]
		}
	}
}

func (e *end) data(n int) string {
	e.t.Helper()
	var b bytes.Buffer
	for b.Len() < n {
		b.Write(e.frame(tagData)[4:])
	}
	return b.String()
}

func (e *end) say(text string) {
	e.t.Helper()
	if err := e.Write(e.t.Context(), websocket.MessageBinary, sized(tagData, []byte(text))); err != nil {
		e.t.Fatal(err)
	}
}

func (e *end) closed() websocket.StatusCode {
	_, _, err := e.Read(e.t.Context())
	return websocket.CloseStatus(err)
}

func TestRelay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := b.insert(small("web"))
	listener := echo(t, in.NetworkInterfaces[0].NetworkIP)
	port := listener[strings.LastIndexByte(listener, ':')+1:]
	to := url.Values{"project": {proj}, "zone": {zone}, "instance": {"web"}, "interface": {"nic0"}, "port": {port}, "newWebsocket": {"true"}}
	one := b.relay("/v4/connect", to)
	sid := string(one.frame(tagConnected)[4:])
	one.say("hello")
	if got := one.data(5); got != "hello" {
		t.Errorf("got %q", got)
	}
	one.say("again")
	one.CloseNow() // the answer to this one is lost with the websocket
	two := b.relay("/v4/reconnect", url.Values{"sid": {sid}, "ack": {"5"}, "zone": {zone}})
	if n := two.frame(tagReconnected); n[7] != 10 && n[7] != 5 {
		t.Errorf("the relay has had %v bytes", n)
	} else if n[7] == 5 {
		two.say("again")
	}
	if got := two.data(5); got != "again" {
		t.Errorf("after the reconnection: %q", got)
	}
	if err := two.Write(t.Context(), websocket.MessageBinary, counted(tagAck, 10)); err != nil {
		t.Fatal(err)
	}
	two.say(strings.Repeat("x", maxRelayData))
	if got := two.data(maxRelayData); len(got) != maxRelayData {
		t.Errorf("%d bytes", len(got))
	}
	two.say("bye\n") // the other end hangs up on a line
	for {
		_, _, err := two.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("end: %v", err)
			}
			break
		}
	}
	for name, query := range map[string]url.Values{"instance": {"project": {proj}, "zone": {zone}, "instance": {"none"}, "port": {"22"}}, "port": {"project": {proj}, "zone": {zone}, "instance": {"web"}, "port": {"1"}}} {
		want := map[string]websocket.StatusCode{"instance": closeNotFound, "port": closeBackend}[name]
		if got := b.relay("/v4/connect", query).closed(); got != want {
			t.Errorf("no such %s: closed with %d, want %d", name, got, want)
		}
	}
	if got := b.relay("/v4/reconnect", url.Values{"sid": {"none"}, "ack": {"0"}}).closed(); got != closeUnknownSession {
		t.Errorf("no such session: %d", got)
	}
	three := b.relay("/v4/connect", to)
	three.frame(tagConnected)
	if err := three.Write(t.Context(), websocket.MessageBinary, []byte{0, 9, 1}); err != nil {
		t.Fatal(err)
	}
	if got := three.closed(); got != closeBadTag {
		t.Errorf("bad tag: %d", got)
	}
}

// echo serves connections until a line ends.
func echo(t *testing.T, address string) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := c.Read(buf)
					if err == io.EOF || bytes.Contains(buf[:n], []byte("\n")) {
						return
					}
					if _, err := c.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}
