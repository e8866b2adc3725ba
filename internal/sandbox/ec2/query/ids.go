package query

import "regexp"

// Kind is a kind of resource with ids.
type Kind struct {
	Prefix    string
	Tags      string // its name in tag specifications
	malformed string // error codes
	notFound  string
	what      string // in messages
}

// kinds of resources, by the prefix of their ids.
var kinds = map[string]Kind{
	"ami":    {"ami", "image", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound", "image id"},
	"i":      {"i", "instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound", "instance ID"},
	"snap":   {"snap", "snapshot", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound", "snapshot"},
	"vol":    {"vol", "volume", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound", "volume"},
	"sg":     {"sg", "security-group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "security group"},
	"vpc":    {"vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.NotFound", "vpc ID"},
	"subnet": {"subnet", "subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.NotFound", "subnet ID"},
	"key":    {"key", "key-pair", "InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", "key pair ID"},
	"lt":     {"lt", "launch-template", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound", "launch template ID"},
	"fleet":  {"fleet", "fleet", "InvalidFleetId.Malformed", "InvalidFleetId.NotFound", "fleet ID"},
	"sir":    {"sir", "spot-instances-request", "InvalidSpotInstanceRequestID.Malformed", "InvalidSpotInstanceRequestID.NotFound", "spot instance request ID"},
	"eni":    {"eni", "network-interface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID"},
	"sgr":    {"sgr", "security-group-rule", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound", "security group rule ID"},
}

var (
	hexID   = regexp.MustCompile(`^[a-z]+-(?:[0-9a-f]{8}|[0-9a-f]{17})$`)
	uuidID  = regexp.MustCompile(`^fleet-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	spotID  = regexp.MustCompile(`^sir-[0-9a-z]{8}$`)
	someIDs = regexp.MustCompile(`^([a-z]+)-`)
)

// CheckID refuses what is no id of the kind with this prefix; "" is no id.
func CheckID(prefix, id string) error {
	if prefix == "" {
		return nil
	}
	ok := hexID.MatchString(id) && id[:len(prefix)+1] == prefix+"-"
	switch prefix {
	case "fleet":
		ok = uuidID.MatchString(id)
	case "sir":
		ok = spotID.MatchString(id)
	}
	if ok {
		return nil
	}
	k := kinds[prefix]
	return Errorf(k.malformed, "Invalid id: %q (expecting %q)", id, prefix+"-...")
}

// KindOf returns the kind of an id.
func KindOf(id string) (Kind, bool) {
	m := someIDs.FindStringSubmatch(id)
	if m == nil {
		return Kind{}, false
	}
	k, ok := kinds[m[1]]
	return k, ok && CheckID(k.Prefix, id) == nil
}

// NotFound says that there is no such resource.
func NotFound(prefix, id string) error {
	k := kinds[prefix]
	return Errorf(k.notFound, "The %s '%s' does not exist", k.what, id)
}
