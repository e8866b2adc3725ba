package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stand is where benches run: the program that is measured, a folder that is
// removed at the end, and how often to measure.
type stand struct {
	ingot    string // path of the program
	dir      string
	rounds   int
	progress io.Writer
}

func newStand(temp string, rounds int, progress io.Writer) (*stand, error) {
	dir, err := os.MkdirTemp(temp, "ingot-bench-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	s := &stand{dir: dir, rounds: rounds, progress: progress}
	if s.ingot, err = findIngot(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stand) close() { _ = os.RemoveAll(s.dir) }

// findIngot takes $INGOT_BIN, or bin/ingot of this module.
func findIngot() (string, error) {
	path := os.Getenv("INGOT_BIN")
	if path == "" {
		path = filepath.Join("bin", "ingot")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("%w; run make build, or set INGOT_BIN", err)
	}
	return path, nil
}

// enter runs a bench in a folder of its own.
func (s *stand) enter(ctx context.Context, b bench) ([]row, error) {
	own := *s
	own.dir = filepath.Join(s.dir, b.name)
	if err := os.Mkdir(own.dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(own.dir)
	rows, err := b.run(ctx, &own)
	for i := range rows {
		rows[i].Bench = strings.TrimSpace(b.name + " " + rows[i].Bench)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return rows, err
}

func (s *stand) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

func (s *stand) write(name, text string) (string, error) {
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func (s *stand) say(format string, args ...any) { fmt.Fprintf(s.progress, "  "+format+"\n", args...) }

// env is the environment of all programs: nothing of the user's settings, no
// agent, no request to the outside.
func (s *stand) env() []string {
	home := s.path("home")
	return []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "HOME=" + home, "TMPDIR=" + s.dir,
		"INGOT_CACHE_DIR=" + filepath.Join(home, "cache"),
		"PACKER_CACHE_DIR=" + filepath.Join(home, "packer_cache"), "PACKER_CONFIG_DIR=" + home,
		"CHECKPOINT_DISABLE=1", "PACKER_NO_COLOR=1",
	}
}
