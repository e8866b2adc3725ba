package google

import (
	"archive/tar"
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/ingot-build/ingot/builders/google/gcp"
)

//go:embed export.sh
var exportLibrary string

// exportDevice is the name of the disk on the instance.
const exportDevice = "ingot-export"

// exportScript is what the instance runs to send a disk of some bytes. storage
// is where it reaches Cloud Storage.
func exportScript(to []exported, size int64, storage string) (string, error) {
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(rawHeader(size)); err != nil {
		return "", err
	}
	var names, opens []string
	for i, o := range to {
		name := strconv.Itoa(i + 1)
		names = append(names, name)
		opens = append(opens, fmt.Sprintf("open %s '%s' '%s'", name, url.PathEscape(o.bucket), url.QueryEscape(o.object)))
	}
	first, rest, _ := strings.Cut(exportLibrary, "\n")
	return strings.Join([]string{
		first,
		"DISK=/dev/disk/by-id/google-" + exportDevice,
		"SIZE=" + strconv.FormatInt(size, 10),
		"STORAGE='" + storage + "'",
		"METADATA=http://metadata.google.internal/computeMetadata/v1",
		"NAMES='" + strings.Join(names, " ") + "'",
		rest + "base64 -d >header <<'END'",
		base64.StdEncoding.EncodeToString(header.Bytes()),
		"END",
		strings.Join(opens, "\n"),
		"mkfifo copy",
		"md5sum <copy >sum &",
		`disk | $zip | tee copy | send || exit 1`,
		"wait",
		`say "done $(cut -c1-32 sum) $(for name in $NAMES; do sed -n 's/.*"md5Hash" *: *"\([^"]*\)".*/\1/p' "$name.out"; done | tr '\n' ' ')"`,
		"",
	}, "\n"), nil
}

const (
	// exportBegins is how long the script may take until it begins, and
	// exportStalls how long nothing may come of it then.
	exportBegins = 10 * time.Minute
	exportStalls = time.Hour
)

var exportMark = regexp.MustCompile(`ingot-export: (begin|sent|failed|done) ?(.*)`)

// followExport reads the console until the script says that it is done.
func (m *instance) followExport(ctx context.Context, to []exported) error {
	tick := time.NewTicker(consolePause)
	defer tick.Stop()
	silence := time.NewTimer(exportBegins)
	defer silence.Stop()
	cause := fmt.Errorf("the startup script has not begun after %s: the image of source_image_family must have Google's guest agent", exportBegins)
	var next int64
	line := ""
	for {
		out, err := m.api.Compute.Instances.GetSerialPortOutput(m.ProjectID, m.Zone, m.name).Port(1).Start(next).Context(ctx).Do()
		if err != nil && ctx.Err() == nil && !gcp.IsConflict(err) {
			return gcp.Explain(err)
		}
		if err == nil {
			next = out.Next
			lines := strings.Split(line+out.Contents, "\n")
			line = lines[len(lines)-1]
			for _, text := range lines[:len(lines)-1] {
				mark := exportMark.FindStringSubmatch(strings.TrimSpace(text))
				if mark == nil {
					continue
				}
				silence.Reset(exportStalls)
				cause = fmt.Errorf("nothing was written for %s", exportStalls)
				if done, err := m.heard(mark[1], mark[2], to); done || err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silence.C:
			m.showConsole(ctx)
			return cause
		case <-tick.C:
		}
	}
}

// heard is told what the script said.
func (m *instance) heard(what, text string, to []exported) (done bool, err error) {
	switch what {
	case "sent":
		n, _ := strconv.ParseInt(text, 10, 64)
		m.env.Log.Say(fmt.Sprintf("%d MB are written", n>>20))
	case "failed":
		return false, exportError(text, to)
	case "done":
		return true, checkSums(text, to)
	}
	return false, nil
}

// exportError makes an error of what the script says of a failure: "NUMBER STATUS
// ANSWER" where a path can't be written.
func exportError(text string, to []exported) error {
	number, rest, _ := strings.Cut(text, " ")
	status, answer, ok := strings.Cut(rest, " ")
	i, err := strconv.Atoi(number)
	code, codeErr := strconv.Atoi(status)
	if !ok || err != nil || codeErr != nil || i < 1 || i > len(to) {
		return errors.New(text)
	}
	api := &googleapi.Error{Code: code, Message: strings.TrimSpace(answer)}
	var said struct {
		Error struct{ Message string }
	}
	switch {
	case json.Unmarshal([]byte(answer), &said) == nil && said.Error.Message != "":
		api.Message = said.Error.Message
	case code == 0:
		api.Message = "the instance can't reach Cloud Storage: it needs an external address, or a subnetwork with Private Google Access"
	}
	return fmt.Errorf("write %s: %w", to[i-1].path, bucketHint(to[i-1].bucket, api))
}

// checkSums compares the MD5 of what was sent, in hexadecimal, with those of the
// objects, in base64.
func checkSums(text string, to []exported) error {
	words := strings.Fields(text)
	if len(words) == 0 {
		return errors.New("the script ended without a checksum")
	}
	sum, err := hex.DecodeString(words[0])
	if err != nil {
		return fmt.Errorf("the script ended with the checksum %q", words[0])
	}
	want := base64.StdEncoding.EncodeToString(sum)
	for i, o := range to {
		if i+1 >= len(words) || words[i+1] != want {
			return fmt.Errorf("%s has other content than was sent (MD5 %s): %s", o.path, want, text)
		}
	}
	return nil
}
