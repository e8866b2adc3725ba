package winrmtest

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// request is what there is in the requests of a client.
type request struct {
	Header struct {
		Action           string
		MessageID        string
		OperationTimeout string
		SelectorSet      struct {
			Selector []struct {
				Name string `xml:",attr"`
				Text string `xml:",chardata"`
			}
		}
		OptionSet struct {
			Option []struct {
				Name string `xml:",attr"`
				Text string `xml:",chardata"`
			}
		}
	}
	Body struct {
		Shell *struct {
			WorkingDirectory string
			Environment      struct {
				Variable []struct {
					Name string `xml:",attr"`
					Text string `xml:",chardata"`
				}
			}
		}
		CommandLine struct {
			Command   string
			Arguments []string
		}
		Send struct {
			Stream struct {
				CommandID string `xml:"CommandId,attr"`
				End       bool   `xml:",attr"`
				Text      string `xml:",chardata"`
			}
		}
		Receive struct {
			DesiredStream struct {
				CommandID string `xml:"CommandId,attr"`
			}
		}
		Signal struct {
			CommandID string `xml:"CommandId,attr"`
			Code      string
		}
	}
}

func (r *request) shell() string {
	for _, s := range r.Header.SelectorSet.Selector {
		if s.Name == "ShellId" {
			return strings.TrimSpace(s.Text)
		}
	}
	return ""
}

func (r *request) option(name string) string {
	for _, o := range r.Header.OptionSet.Option {
		if o.Name == name {
			return strings.TrimSpace(o.Text)
		}
	}
	return ""
}

// timeout is how long an answer may take: "PT20S".
func (r *request) timeout() time.Duration {
	d, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(strings.TrimSpace(r.Header.OperationTimeout), "PT")))
	if err != nil {
		return time.Minute
	}
	return d
}

const soapType = "application/soap+xml;charset=UTF-8"

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path != "/wsman" {
		http.NotFound(w, r)
		return
	}
	if !s.login(w, r) {
		return
	}
	if len(body) > s.options.MaxEnvelope {
		fault(w, "w:EncodingLimit", "", fmt.Sprintf("The request is larger than the limit of %d bytes.", s.options.MaxEnvelope))
		return
	}
	var q request
	if err := xml.NewDecoder(bytes.NewReader(body)).Decode(&q); err != nil {
		fault(w, "s:Sender", "2150858817", "The request is no valid XML: "+err.Error())
		return
	}
	action := path.Base(strings.TrimSpace(q.Header.Action))
	s.mu.Lock()
	s.requests[action]++
	sh := s.shells[q.shell()]
	s.mu.Unlock()
	if action == "Create" {
		s.create(w, &q)
		return
	}
	if sh == nil {
		fault(w, "w:InvalidSelectors", "2150858843", "The request for the Windows Remote Shell with ShellId "+q.shell()+" failed because the shell was not found on the server.")
		return
	}
	switch action {
	case "Command":
		s.command(w, &q, sh)
	case "Send":
		send(w, &q, sh)
	case "Receive":
		receive(w, &q, sh)
	case "Signal":
		if c := sh.command(q.Body.Signal.CommandID); c != nil {
			c.stop()
		}
		answer(w, &q, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SignalResponse", "<rsp:SignalResponse/>")
	case "Delete":
		s.mu.Lock()
		delete(s.shells, sh.id)
		s.mu.Unlock()
		sh.close()
		answer(w, &q, "http://schemas.xmlsoap.org/ws/2004/09/transfer/DeleteResponse", "")
	default:
		fault(w, "a:ActionNotSupported", "2150858750", "The action is not supported.")
	}
}

func (s *Server) create(w http.ResponseWriter, q *request) {
	if q.Body.Shell == nil {
		fault(w, "w:SchemaValidationError", "2150858817", "There is no Shell in the request.")
		return
	}
	sh := &shell{server: s, id: strings.ToUpper(uuid.NewString()), dir: q.Body.Shell.WorkingDirectory, env: map[string]string{}, commands: map[string]*process{}}
	for _, v := range q.Body.Shell.Environment.Variable {
		sh.env[strings.ToUpper(v.Name)] = v.Text
	}
	s.mu.Lock()
	s.shells[sh.id] = sh
	s.mu.Unlock()
	answer(w, q, "http://schemas.xmlsoap.org/ws/2004/09/transfer/CreateResponse",
		`<x:ResourceCreated><a:ReferenceParameters><w:SelectorSet><w:Selector Name="ShellId">`+sh.id+"</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"+
			"<rsp:Shell><rsp:ShellId>"+sh.id+"</rsp:ShellId><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>")
}

func (s *Server) command(w http.ResponseWriter, q *request, sh *shell) {
	var args []string
	for _, a := range q.Body.CommandLine.Arguments {
		args = append(args, strings.TrimSpace(a))
	}
	if len(q.Body.CommandLine.Command) > longestLine && q.option("WINRS_SKIP_CMD_SHELL") != "TRUE" {
		fault(w, "w:InternalError", "206", "The filename or extension is too long.")
		return
	}
	p := sh.start(q.Body.CommandLine.Command, args, q.option("WINRS_SKIP_CMD_SHELL") == "TRUE", q.option("WINRS_CONSOLEMODE_STDIN") == "FALSE")
	answer(w, q, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandResponse",
		"<rsp:CommandResponse><rsp:CommandId>"+p.id+"</rsp:CommandId></rsp:CommandResponse>")
}

// longestLine is the longest command line that cmd takes, in characters.
const longestLine = 8191

func send(w http.ResponseWriter, q *request, sh *shell) {
	st := q.Body.Send.Stream
	p := sh.command(st.CommandID)
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(st.Text))
	if p == nil || err != nil {
		fault(w, "w:InvalidParameter", "87", "The parameter is incorrect.")
		return
	}
	if !p.feed(data, st.End) {
		fault(w, "w:InternalError", "109", "The pipe has been ended.")
		return
	}
	answer(w, q, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/SendResponse", "<rsp:SendResponse/>")
}

func receive(w http.ResponseWriter, q *request, sh *shell) {
	id := q.Body.Receive.DesiredStream.CommandID
	p := sh.command(id)
	if p == nil {
		fault(w, "w:InvalidParameter", "87", "The parameter is incorrect.")
		return
	}
	out, errs, done, code, ok := p.take(q.timeout())
	if !ok {
		fault(w, "w:TimedOut", "2150858793", "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")
		return
	}
	var b strings.Builder
	b.WriteString("<rsp:ReceiveResponse>")
	for _, st := range []struct {
		name string
		data []byte
	}{{"stdout", out}, {"stderr", errs}} {
		if len(st.data) > 0 {
			fmt.Fprintf(&b, `<rsp:Stream Name="%s" CommandId="%s">%s</rsp:Stream>`, st.name, id, base64.StdEncoding.EncodeToString(st.data))
		}
	}
	state := "Running"
	if done {
		state = "Done"
		fmt.Fprintf(&b, `<rsp:Stream Name="stdout" CommandId="%s" End="true"></rsp:Stream>`, id)
	}
	fmt.Fprintf(&b, `<rsp:CommandState CommandId="%s" State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/%s">`, id, state)
	if done {
		fmt.Fprintf(&b, "<rsp:ExitCode>%d</rsp:ExitCode>", code)
	}
	b.WriteString("</rsp:CommandState></rsp:ReceiveResponse>")
	answer(w, q, "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/ReceiveResponse", b.String())
}

const envelope = `<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header><a:Action>%s</a:Action><a:MessageID>uuid:%s</a:MessageID>%s<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To></s:Header><s:Body>%s</s:Body></s:Envelope>`

func answer(w http.ResponseWriter, q *request, action, body string) {
	w.Header().Set("Content-Type", soapType)
	fmt.Fprintf(w, envelope, action, uuid.NewString(), "<a:RelatesTo>"+strings.TrimSpace(q.Header.MessageID)+"</a:RelatesTo>", body)
}

func fault(w http.ResponseWriter, subcode, code, reason string) {
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(reason))
	detail := ""
	if code != "" {
		detail = fmt.Sprintf(`<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="%s" Machine="127.0.0.1"><f:Message>%s</f:Message></f:WSManFault></s:Detail>`, code, text.String())
	}
	w.Header().Set("Content-Type", soapType)
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", uuid.NewString(), "",
		fmt.Sprintf(`<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>%s</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason>%s</s:Fault>`, subcode, text.String(), detail))
}
