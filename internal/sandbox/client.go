package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
)

// Client speaks to the sandbox of a daemon.
type Client struct {
	address string
	access  access
}

// connect returns a client of the sandbox whose state is in dir, if it answers.
func connect(ctx context.Context, dir string) (*Client, error) {
	address, err := os.ReadFile(filepath.Join(dir, addressName))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, accessName))
	if err != nil {
		return nil, err
	}
	c := &Client{address: string(address)}
	if err := json.Unmarshal(text, &c.access); err != nil {
		return nil, err
	}
	_, err = c.Status(ctx)
	return c, err
}

// Sandbox says how builders reach it.
func (c *Client) Sandbox() *builders.Sandbox { return c.access.sandbox(c.address) }

// Status asks it what it has.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "status", nil, &s)
}

// Calls returns the API calls seen so far.
func (c *Client) Calls(ctx context.Context) ([]string, error) {
	var calls []string
	return calls, c.call(ctx, http.MethodGet, "calls", nil, &calls)
}

// SetFaults replaces what goes wrong in it.
func (c *Client) SetFaults(ctx context.Context, w Wrong) error {
	return c.call(ctx, http.MethodPost, "faults", w, nil)
}

// AddImages puts images in front of those of its catalogue.
func (c *Client) AddImages(ctx context.Context, list catalog.Catalog) error {
	return c.call(ctx, http.MethodPost, "catalog", list, nil)
}

// Prepare has it make the file trees of images, as Server.Prepare.
func (c *Client) Prepare(ctx context.Context, list catalog.Catalog, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodPost, "prepare", list)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if text, ok := strings.CutPrefix(line, errorLine); ok {
			return errors.New(strings.TrimSpace(text))
		}
		if _, werr := io.WriteString(w, line); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *Client) shutdown(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "shutdown", nil, nil)
}

// call sends in, unless it is nil, and reads the answer into out, unless that is.
func (c *Client) call(ctx context.Context, method, name string, in, out any) error {
	resp, err := c.do(ctx, method, name, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (c *Client) do(ctx context.Context, method, name string, in any) (*http.Response, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+adminPath+name, &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.access.AdminToken)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is on this host
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return nil, fmt.Errorf("sandbox: %s: %s", resp.Status, strings.TrimSpace(string(text)))
}
