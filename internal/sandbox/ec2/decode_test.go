package ec2

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

func form(t *testing.T, text string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got := runIn{}
	err := query.Decode(form(t, "Action=RunInstances&Version=2016-11-15&DryRun=true&ImageId=ami-01234567&MinCount=1&MaxCount=2"+
		"&SecurityGroupId.2=sg-22222222&SecurityGroupId.1=sg-11111111&EbsOptimized=true"+
		"&BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs.VolumeSize=10&BlockDeviceMapping.1.Ebs.DeleteOnTermination=false"+
		"&BlockDeviceMapping.2.DeviceName=/dev/sdc&BlockDeviceMapping.2.NoDevice="+
		"&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b"), &got)
	if err != nil {
		t.Fatal(err)
	}
	size, no, none := 10, false, ""
	want := runIn{Min: 1, Max: 2, launchData: launchData{
		Image: "ami-01234567", GroupIDs: []string{"sg-11111111", "sg-22222222"}, Optimized: true,
		Devices: []device{{Name: "/dev/sdb", EBS: &ebs{Size: &size, Delete: &no}}, {Name: "/dev/sdc", None: &none}},
		Tags:    []tagSpec{{Kind: "instance", Tags: []tagIn{{"a", "b"}}}},
	}}
	if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"MinCount=1&MaxCount=1&Colour=red":                      "UnknownParameter: The parameter Colour is not recognized",
		"MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.Size=1": "UnknownParameter: The parameter BlockDeviceMapping.1.Ebs.Size is not recognized",
		"MinCount=1&MaxCount=1&SecurityGroupId.x=sg-1":          "UnknownParameter: The parameter SecurityGroupId.x is not recognized",
		"MinCount=1&MaxCount=1&ImageId.1=ami-01234567":          "UnknownParameter: The parameter ImageId.1 is not recognized",
		"MinCount=1":                          "MissingParameter: The request must contain the parameter MaxCount",
		"MinCount=x&MaxCount=1":               `InvalidParameterValue: Invalid value "x" for MinCount: not an integer`,
		"MinCount=1&MaxCount=1&MinCount=2":    "InvalidParameterValue: The parameter MinCount was given 2 times",
		"MinCount=1&MaxCount=1&ImageId=ami-1": `InvalidAMIID.Malformed: Invalid id: "ami-1" (expecting "ami-...")`,
		"MinCount=1&MaxCount=1&EbsOptimized=": `InvalidParameterValue: Invalid value "" for EbsOptimized: not a boolean`,
		"MinCount=1&MaxCount=1&Placement=a":   "InvalidParameterValue: The parameter Placement is a structure",
		strings.Repeat("A.", 20) + "A=1":      "UnknownParameter: The parameter " + strings.Repeat("A.", 20) + "A is not recognized",
	} {
		if err := query.Decode(form(t, in), &runIn{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestFilterMatcher(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, value string
		want           bool
	}{
		{"debian-12-*", "debian-12-amd64", true}, {"debian-12-*", "debian-13", false}, {"d?bian", "debian", true},
		{`a\*b`, "a*b", true}, {`a\*b`, "axb", false}, {"ubuntu/images/*jammy*", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04", true},
		{"[a]{b,c}!", "[a]{b,c}!", true}, {"*", "", true}, {"", "", true}, {"A", "a", false}, {`x\`, `x\`, true},
	} {
		match, err := filter{Name: "name", Values: []string{test.pattern}}.matcher()
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if got := match(test.value); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.value, got)
		}
	}
}
