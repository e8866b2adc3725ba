package query

import (
	"net/url"
	"testing"
	"time"
)

type inner struct {
	Text  string   `q:"Text"`
	Lists []nested `q:"List"`
}

type nested struct {
	Key   string   `q:"Key,required"`
	Items []string `q:"Item"`
}

type request struct {
	inner
	ID     string     `q:"ImageId,id=ami"`
	Fleet  string     `q:"FleetId,id=fleet"`
	Spot   []string   `q:"SpotInstanceRequestId,id=sir"`
	Number *int       `q:"Number"`
	Ratio  float64    `q:"Ratio"`
	Flag   *bool      `q:"Flag"`
	At     *time.Time `q:"At"`
	Data   Blob       `q:"Data"`
	Struct *inner     `q:"Struct"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	form, err := url.ParseQuery("Action=A&ImageId=ami-01234567&Number=-3&Ratio=1.5&Flag=false&At=2026-01-02T03:04:05Z&Data=aGk=" +
		"&Struct.Text=x&Struct.List.member.1.Key=k&Struct.List.member.1.Item.1=i&Text=y")
	if err != nil {
		t.Fatal(err)
	}
	var r request
	if err := Decode(form, &r); err != nil {
		t.Fatal(err)
	}
	if r.ID != "ami-01234567" || *r.Number != -3 || r.Ratio != 1.5 || *r.Flag || r.At.Year() != 2026 || string(r.Data) != "hi" ||
		r.Struct.Text != "x" || r.Struct.Lists[0].Key != "k" || r.Struct.Lists[0].Items[0] != "i" || r.Text != "y" {
		t.Errorf("%+v", r)
	}
}

// FuzzDecode looks for forms that are taken neither as a request nor refused
// with a reason, and for those that change when they are read again.
func FuzzDecode(f *testing.F) {
	f.Add("Action=A&ImageId=ami-01234567&Number=1&Struct.List.1.Key=k&Struct.List.1.Item.1=i")
	f.Add("List.1.Key=a&List.2.Key=b&List.2.Item.member.1=x&Flag=true&At=2026-01-02T03:04:05Z")
	f.Add("Struct=1&Struct.=1&.=&..=&List.0.Key=&List.-1=1&List.01=2&Data=%%%&Ratio=NaN&SpotInstanceRequestId.1=sir-01234567")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		var r request
		if err := Decode(form, &r); err != nil {
			if e, ok := err.(*Error); !ok || e.Code == "InternalError" || e.Message == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if err := Decode(form, &r); err != nil {
			t.Errorf("%q: the second time: %v", text, err)
		}
	})
}
