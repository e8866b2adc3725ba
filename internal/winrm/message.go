package winrm

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
	wsman "github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"

	"github.com/ingot-build/ingot/internal/secret"
)

// Actions and the resource of a shell, as MS-WSMV names them.
const (
	actionCreate  = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
	actionCommand = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command"
	shellResource = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
)

// receiveTimeout is how long the machine waits for output before it answers
// that there is none: it tells, nobody asks again and again.
const receiveTimeout = "PT20S"

// params go into the header of each request. The envelope is what we take.
func params() *wsman.Parameters { return wsman.NewParameters(receiveTimeout, "en-US", 512000) }

// message begins a request that the library has no words for.
func message(url, action, shell string, options ...[2]string) *soap.SoapMessage {
	m, p := soap.NewMessage(), params()
	h := m.Header().To(url).ReplyTo("http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous").
		MaxEnvelopeSize(p.EnvelopeSize).Id("uuid:" + uuid.NewString()).Locale(p.Locale).Timeout(p.Timeout).
		Action(action).ResourceURI(shellResource)
	if shell != "" {
		h.ShellId(shell)
	}
	for _, o := range options {
		h.AddOption(soap.NewHeaderOption(o[0], o[1]))
	}
	h.Build()
	return m
}

// createMessage asks for a shell, with an environment and a working directory.
func createMessage(url string, env map[string]secret.String, dir string) (string, error) {
	m := message(url, actionCreate, "", [2]string{"WINRS_NOPROFILE", "FALSE"}, [2]string{"WINRS_CODEPAGE", "65001"})
	shell := m.CreateBodyElement("Shell", soap.DOM_NS_WIN_SHELL)
	if dir != "" {
		text, err := escape(dir)
		if err != nil {
			return "", fmt.Errorf("the working directory %w", err)
		}
		m.CreateElement(shell, "WorkingDirectory", soap.DOM_NS_WIN_SHELL).SetContent(text)
	}
	if len(env) > 0 {
		vars := m.CreateElement(shell, "Environment", soap.DOM_NS_WIN_SHELL)
		for _, name := range slices.Sorted(maps.Keys(env)) {
			text, err := escape(env[name].Reveal())
			if err != nil {
				return "", fmt.Errorf("the value of %s %w", name, err)
			}
			v := m.CreateElement(vars, "Variable", soap.DOM_NS_WIN_SHELL)
			v.SetAttr("Name", name)
			v.SetContent(text)
		}
	}
	m.CreateElement(shell, "InputStreams", soap.DOM_NS_WIN_SHELL).SetContent("stdin")
	m.CreateElement(shell, "OutputStreams", soap.DOM_NS_WIN_SHELL).SetContent("stdout stderr")
	return m.String(), nil
}

// plainShell asks for a shell as it is.
func plainShell(url string) string {
	text, _ := createMessage(url, nil, "") // nothing in it can be wrong
	return text
}

// program is a command to start in a shell.
type program struct {
	line  string   // a command line for cmd, or the program where args are given
	args  []string // of a program that is started without cmd
	stdin bool     // it gets input: its standard input is a pipe and not a console
}

func commandMessage(url, shell string, p program) (string, error) {
	m := message(url, actionCommand, shell,
		[2]string{"WINRS_CONSOLEMODE_STDIN", upperBool(!p.stdin)},
		[2]string{"WINRS_SKIP_CMD_SHELL", upperBool(p.args != nil)})
	body := m.CreateBodyElement("CommandLine", soap.DOM_NS_WIN_SHELL)
	line, err := escape(p.line)
	if err != nil {
		return "", fmt.Errorf("the command %w", err)
	}
	m.CreateElement(body, "Command", soap.DOM_NS_WIN_SHELL).SetContent(line)
	for _, a := range p.args {
		m.CreateElement(body, "Arguments", soap.DOM_NS_WIN_SHELL).SetContent(a)
	}
	return m.String(), nil
}

func upperBool(b bool) string { return strings.ToUpper(fmt.Sprint(b)) }

// characterError is text that XML can't hold.
type characterError struct{ r rune }

func (e *characterError) Error() string {
	return fmt.Sprintf("holds the character U+%04X, which WinRM can't carry", e.r)
}

// escape makes text fit for XML, which can't hold all characters.
func escape(text string) (string, error) {
	for _, r := range text {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF' {
			return "", &characterError{r}
		}
	}
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}

// powershell is the program that runs a script of ours. The script is on the
// command line: it never holds a secret.
func powershell(script string, stdin bool) program {
	units := utf16.Encode([]rune(script))
	raw := make([]byte, 0, 2*len(units))
	for _, u := range units {
		raw = append(raw, byte(u), byte(u>>8))
	}
	return program{line: "powershell.exe", stdin: stdin, args: []string{
		"-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass",
		"-EncodedCommand", base64.StdEncoding.EncodeToString(raw),
	}}
}

// Fault is an error that the server tells in its own words.
type Fault struct {
	Subcode string // e.g. "w:TimedOut"
	Code    string // of WS-Management, decimal; "" where there is none
	Reason  string
}

func (f *Fault) Error() string {
	text := strings.Join(strings.Fields(f.Reason), " ")
	if f.Code == "" {
		return text
	}
	return fmt.Sprintf("%s (code %s)", text, f.Code)
}

// codeTimedOut says that there was no output so far
// (ERROR_WSMAN_OPERATION_TIMEDOUT):
// https://learn.microsoft.com/windows/win32/winrm/winrm-error-codes
const codeTimedOut = "2150858793"

func (f *Fault) timedOut() bool {
	return f.Code == codeTimedOut || strings.HasSuffix(f.Subcode, ":TimedOut")
}
func (f *Fault) tooLarge() bool { return strings.HasSuffix(f.Subcode, ":EncodingLimit") }

// readFault returns the fault in an answer, nil where there is none.
func readFault(answer []byte) *Fault {
	var e struct {
		Body struct {
			Fault *struct {
				Code struct {
					Value   string `xml:"Value"`
					Subcode struct {
						Value string `xml:"Value"`
					} `xml:"Subcode"`
				} `xml:"Code"`
				Reason struct {
					Text string `xml:"Text"`
				} `xml:"Reason"`
				Detail struct {
					WSManFault struct {
						Code string `xml:"Code,attr"`
					} `xml:"WSManFault"`
				} `xml:"Detail"`
			} `xml:"Fault"`
		} `xml:"Body"`
	}
	if xml.Unmarshal(answer, &e) != nil || e.Body.Fault == nil {
		return nil
	}
	f := e.Body.Fault
	return &Fault{Subcode: f.Code.Subcode.Value, Code: f.Detail.WSManFault.Code, Reason: f.Reason.Text}
}
