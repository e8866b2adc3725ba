package ec2

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

// list is a list in an answer: an element with an "item" for each, also when it
// is empty.
type list[T any] struct {
	Items []T `xml:"item"`
}

func listOf[T any](items []T) list[T] { return list[T]{items} }

// members is a list in an answer of STS and IAM.
type members[T any] struct {
	Items []T `xml:"member"`
}

// value is an attribute in an answer.
type value[T any] struct {
	Value T `q:"Value" xml:"value"`
}

// stamp is a time in an answer.
type stamp time.Time

func (t stamp) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// done is the answer of what returns nothing.
type done struct {
	Return bool `xml:"return"`
}

func itoa(n int) string { return strconv.Itoa(n) }

func hexOf(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b) // never returns an error
	return hex.EncodeToString(b)[:n]
}

func requestID() string {
	h := hexOf(32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// protocol is how a service writes answers and errors.
type protocol interface {
	reply(w http.ResponseWriter, action string, out any)
	refuse(w http.ResponseWriter, e *query.Error)
}

func write(w http.ResponseWriter, mime string, status int, body []byte) {
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Length", itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// inner encodes the fields of a struct as XML, without an element around them.
func inner(v any) []byte {
	const open, shut = "<x>", "</x>"
	var b bytes.Buffer
	if err := xml.NewEncoder(&b).EncodeElement(v, xml.StartElement{Name: xml.Name{Local: "x"}}); err != nil {
		panic(err) // one of our structs can't be written
	}
	return b.Bytes()[len(open) : b.Len()-len(shut)]
}

func text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer returns no error
	return b.String()
}

// ec2Query is the protocol of EC2.
type ec2Query struct{}

func (ec2Query) reply(w http.ResponseWriter, action string, out any) {
	id := requestID()
	w.Header().Set("X-Amzn-Requestid", id)
	write(w, "text/xml;charset=UTF-8", http.StatusOK, []byte(xml.Header+
		"<"+action+`Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>`+id+"</requestId>"+
		string(inner(out))+"</"+action+"Response>"))
}

func (ec2Query) refuse(w http.ResponseWriter, e *query.Error) {
	id := requestID()
	w.Header().Set("X-Amzn-Requestid", id)
	write(w, "text/xml;charset=UTF-8", e.Status, []byte(xml.Header+
		"<Response><Errors><Error><Code>"+text(e.Code)+"</Code><Message>"+text(e.Message)+
		"</Message></Error></Errors><RequestID>"+id+"</RequestID></Response>"))
}

// awsQuery is the protocol of STS and IAM.
type awsQuery struct{ namespace string }

func (q awsQuery) reply(w http.ResponseWriter, action string, out any) {
	result := string(inner(out))
	if result != "" {
		result = "<" + action + "Result>" + result + "</" + action + "Result>"
	}
	write(w, "text/xml", http.StatusOK, []byte(
		"<"+action+`Response xmlns="`+q.namespace+`">`+result+
			"<ResponseMetadata><RequestId>"+requestID()+"</RequestId></ResponseMetadata></"+action+"Response>"))
}

func (q awsQuery) refuse(w http.ResponseWriter, e *query.Error) {
	origin := "Sender"
	if e.Status >= http.StatusInternalServerError {
		origin = "Receiver"
	}
	write(w, "text/xml", e.Status, []byte(
		`<ErrorResponse xmlns="`+q.namespace+`"><Error><Type>`+origin+"</Type><Code>"+text(e.Code)+
			"</Code><Message>"+text(e.Message)+"</Message></Error><RequestId>"+requestID()+"</RequestId></ErrorResponse>"))
}

// awsJSON is the protocol of SSM and Secrets Manager.
type awsJSON struct{}

func (awsJSON) reply(w http.ResponseWriter, _ string, out any) {
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // one of our structs can't be written
	}
	write(w, "application/x-amz-json-1.1", http.StatusOK, body)
}

func (awsJSON) refuse(w http.ResponseWriter, e *query.Error) {
	body, _ := json.Marshal(map[string]string{"__type": e.Code, "message": e.Message}) // strings can be written
	write(w, "application/x-amz-json-1.1", e.Status, body)
}
