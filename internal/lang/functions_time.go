package lang

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/crypto/bcrypt"
)

// now is the time that the template sees: a constant in keys.
func (t *Template) now(form Form) time.Time {
	if form == Keyed {
		return time.Unix(0, 0).UTC()
	}
	return t.options.Now.UTC()
}

func newUUID(form Form) string {
	if form == Keyed {
		return uuid.Nil.String()
	}
	return uuid.NewString()
}

// timeFunctions have results that differ from run to run, and those that read
// times.
func (t *Template) timeFunctions(form Form) map[string]function.Function {
	now := func() time.Time { return t.now(form) }
	return map[string]function.Function{
		"timestamp":            volatileText(text(nil, func([]string) (string, error) { return now().Format(time.RFC3339), nil })),
		"uuidv4":               volatileText(text(nil, func([]string) (string, error) { return newUUID(form), nil })),
		"legacy_isotime":       volatileText(timeText(now, time.Time.Format)),
		"legacy_strftime":      volatileText(timeText(now, strftime)),
		"bcrypt":               volatileText(bcryptFunc(form)),
		"rfc3339_parse":        parseTime("timestamp", cty.String, parseRFC3339, "unix", func(t time.Time) cty.Value { return cty.NumberIntVal(t.Unix()) }),
		"unix_timestamp_parse": parseTime("unix_timestamp", cty.Number, parseUnix, "rfc3339", func(t time.Time) cty.Value { return cty.StringVal(t.Format(time.RFC3339)) }),
	}
}

// volatileText marks what f returns.
func volatileText(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(), Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			return v.Mark(volatile), nil
		},
	})
}

// timeText returns a function of a format, which may be left out, to the text
// of a time: RFC 3339 is what it has without one.
func timeText(now func() time.Time, in func(t time.Time, format string) string) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "format", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch len(args) {
			case 0:
				return cty.StringVal(now().Format(time.RFC3339)), nil
			case 1:
				return cty.StringVal(in(now(), args[0].AsString())), nil
			}
			return cty.NilVal, errors.New("one format at most")
		},
	})
}

// mostCost is the cost of bcrypt() that takes some seconds; each one more takes
// twice as long.
const mostCost = 16

func bcryptFunc(form Form) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "str", Type: cty.String}},
		VarParam: &function.Parameter{Name: "cost", Type: cty.Number},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			cost := int64(10)
			if len(args) > 1 {
				cost, _ = args[1].AsBigFloat().Int64()
			}
			if len(args) > 2 || cost < int64(bcrypt.MinCost) || cost > mostCost {
				return cty.NilVal, fmt.Errorf("the cost is one number from %d to %d", bcrypt.MinCost, mostCost)
			}
			if form == Keyed { // without the random salt
				return cty.StringVal("bcrypt:" + args[0].AsString()), nil
			}
			out, err := bcrypt.GenerateFromPassword([]byte(args[0].AsString()), int(cost))
			return cty.StringVal(string(out)), err
		},
	})
}

func parseRFC3339(v cty.Value) (time.Time, error) {
	s := v.AsString()
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q is not an RFC 3339 time such as 2006-01-02T15:04:05Z", s)
	}
	return t, nil
}

func parseUnix(v cty.Value) (time.Time, error) {
	n, acc := v.AsBigFloat().Int64()
	if acc != 0 {
		return time.Time{}, errors.New("a whole number of seconds is needed")
	}
	return time.Unix(n, 0).UTC(), nil
}

// parseTime returns a function from a time to an object of its parts.
func parseTime(name string, in cty.Type, parse func(cty.Value) (time.Time, error), last string, value func(time.Time) cty.Value) function.Function {
	lastType := cty.Number
	if last == "rfc3339" {
		lastType = cty.String
	}
	types := map[string]cty.Type{"month_name": cty.String, "weekday_name": cty.String, last: lastType}
	for _, n := range []string{"year", "year_day", "month", "day", "weekday", "hour", "minute", "second", "iso_year", "iso_week"} {
		types[n] = cty.Number
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: name, Type: in}},
		Type:   function.StaticReturnType(cty.Object(types)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			t, err := parse(args[0])
			if err != nil {
				return cty.NilVal, err
			}
			num := func(n int) cty.Value { return cty.NumberIntVal(int64(n)) }
			year, week := t.ISOWeek()
			return cty.ObjectVal(map[string]cty.Value{
				"year": num(t.Year()), "year_day": num(t.YearDay()), "month": num(int(t.Month())), "month_name": cty.StringVal(t.Month().String()),
				"day": num(t.Day()), "weekday": num(int(t.Weekday())), "weekday_name": cty.StringVal(t.Weekday().String()),
				"hour": num(t.Hour()), "minute": num(t.Minute()), "second": num(t.Second()),
				"iso_year": num(year), "iso_week": num(week), last: value(t),
			}), nil
		},
	})
}

// strftime formats a time as C's function of that name does, as far as Packer
// does: other verbs stay as they are.
func strftime(t time.Time, format string) string {
	layouts := map[byte]string{'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan", 'd': "02", 'H': "15", 'I': "03", 'L': ".000",
		'M': "04", 'm': "01", 'p': "PM", 'S': "05", 'Y': "2006", 'y': "06", 'Z': "MST", 'z': "-0700"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch layout, ok := layouts[format[i]]; {
		case ok:
			b.WriteString(t.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}
