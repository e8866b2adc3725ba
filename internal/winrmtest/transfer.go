package winrmtest

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// put does what the script of that name does: it writes files from its input.
func (p *process) put() int {
	sc := bufio.NewScanner(p.stdin)
	sc.Buffer(nil, 1<<20)
	var kind byte
	var path string
	var content bytes.Buffer
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		var err error
		switch {
		case line == "":
		case line[0] == ':':
			var name []byte
			name, err = base64.StdEncoding.DecodeString(line[2:])
			kind, path = line[1], string(name)
			content.Reset()
		case line == ".":
			err = p.write(kind, path, content.Bytes())
		default:
			var data []byte
			data, err = base64.StdEncoding.DecodeString(line)
			content.Write(data)
		}
		if err != nil {
			fmt.Fprintf(p.stdout(), "fail:%v\r\n", err)
			return 1
		}
	}
	if sc.Err() != nil {
		return 1
	}
	return 0
}

// Denied is a folder of the machine that nobody may write to.
const Denied = `C:\Denied`

func (p *process) write(kind byte, path string, content []byte) error {
	file := p.shell.server.Path(path)
	if strings.HasPrefix(file, p.shell.server.Path(Denied)) {
		return errors.New(strings.Replace("Access to the path 'x' is denied.", "x", path, 1))
	}
	sum := sha256.Sum256(content)
	if kind == 'z' {
		if err := unzip(content, file); err != nil {
			return err
		}
	} else {
		if st, err := os.Stat(file); err == nil && st.IsDir() {
			return fmt.Errorf("%s is a folder", path)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.stdout(), "put:%x\r\n", sum)
	return nil
}

func unzip(content []byte, dir string) error {
	zr, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	for _, f := range zr.File {
		file := filepath.Join(dir, filepath.FromSlash(strings.ToLower(f.Name)))
		if strings.HasSuffix(f.Name, "/") {
			if err := os.MkdirAll(file, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		src, err := f.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(src)
		src.Close()
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var getPath = regexp.MustCompile(`\$dir = (\$true|\$false); \$p = '((?:[^']|'')*)'`)

// get does what the script of that name does: it prints a file, or an archive
// of a folder.
func (p *process) get(script string) int {
	m := getPath.FindStringSubmatch(script)
	if m == nil {
		return 1
	}
	path := strings.ReplaceAll(m[2], "''", "'")
	file := p.shell.server.Path(path)
	var data []byte
	var err error
	if m[1] == "$true" {
		data, err = zipped(file)
	} else if st, statErr := os.Stat(file); statErr == nil && st.IsDir() {
		err = fmt.Errorf("%s is a folder: end its path with / to get its content", path)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		fmt.Fprintf(p.stdout(), "fail:Could not find file '%s'.\r\n", path)
		return 1
	}
	size := len(data)
	for len(data) > 0 {
		n := min(49152, len(data))
		fmt.Fprintf(p.stdout(), "%s\r\n", base64.StdEncoding.EncodeToString(data[:n]))
		data = data[n:]
	}
	fmt.Fprintf(p.stdout(), "size:%d\r\n", size)
	return 0
}

// zipped writes names with backslashes, as older .NET does.
func zipped(dir string) ([]byte, error) {
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		w, err := zw.Create(strings.ReplaceAll(name, "/", `\`))
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	err = errors.Join(err, zw.Close())
	return b.Bytes(), err
}
