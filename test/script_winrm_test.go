package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/internal/winrmtest"
)

// startWinRM starts a server that speaks WinRM for the script, `winrm [https]
// [ntlm]`, and sets $WINRM_PORT, $WINRM_USER, $WINRM_PASSWORD, $WINRM_DRIVE
// (the folder of drive C:, whose names are in small letters) and the variables
// of the template's names for them.
func startWinRM(ts *testscript.TestScript, neg bool, args []string) {
	var o winrmtest.Options
	for _, a := range args {
		switch a {
		case "https":
			o.TLS = true
		case "ntlm":
			o.NTLM = true
		default:
			neg = true
		}
	}
	if neg {
		ts.Fatalf("usage: winrm [https] [ntlm]")
	}
	s, err := winrmtest.Start(o)
	ts.Check(err)
	ts.Defer(func() { s.Close() })
	ts.Setenv("WINRM_DRIVE", s.Dir)
	for name, value := range map[string]string{"PORT": strconv.Itoa(s.Port), "USER": winrmtest.User, "PASSWORD": s.Password} {
		ts.Setenv("WINRM_"+name, value)
	}
	for name, value := range map[string]string{"port": strconv.Itoa(s.Port), "user": winrmtest.User, "password": s.Password} {
		ts.Setenv("PKR_VAR_winrm_"+name, value)
	}
}

// nowhere checks that no file below a folder holds a text: `nowhere FOLDER TEXT`.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nowhere FOLDER TEXT")
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte(args[1])) {
			err = fmt.Errorf("%s holds it", path)
		}
		return err
	}))
}
