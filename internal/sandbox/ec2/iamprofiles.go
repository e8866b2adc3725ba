package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

type profileData struct {
	Path    string            `xml:"Path"`
	Name    string            `xml:"InstanceProfileName"`
	ID      string            `xml:"InstanceProfileId"`
	ARN     string            `xml:"Arn"`
	Created stamp             `xml:"CreateDate"`
	Roles   members[roleData] `xml:"Roles"`
	Tags    members[iamTag]   `xml:"Tags"`
}

func (c *call) profileData(p *profile) profileData {
	d := profileData{Path: p.Path, Name: p.Name, ID: p.ID, ARN: p.arn(), Created: stamp(p.Created), Tags: members[iamTag]{p.Tags}}
	if r := c.state.Roles[p.Role]; r != nil {
		d.Roles.Items = []roleData{r.data()}
	}
	return d
}

type iamProfileOut struct {
	Profile profileData `xml:"InstanceProfile"`
}

type createProfileIn struct {
	Name string   `q:"InstanceProfileName,required"`
	Path string   `q:"Path"`
	Tags []iamTag `q:"Tags"`
}

func createProfile(c *call, in *createProfileIn) (iamProfileOut, error) {
	if err := checkName("instanceProfileName", in.Name, &in.Path); err != nil {
		return iamProfileOut{}, err
	}
	if c.state.Profiles[in.Name] != nil {
		return iamProfileOut{}, fail("EntityAlreadyExists", "Instance Profile %s already exists.", in.Name)
	}
	if err := c.ready(); err != nil {
		return iamProfileOut{}, err
	}
	p := &profile{Name: in.Name, Path: in.Path, ID: "AIPA" + strings.ToUpper(hexOf(17)), Tags: in.Tags, Created: c.now}
	c.state.Profiles[p.Name] = p
	return iamProfileOut{c.profileData(p)}, nil
}

type profileIn struct {
	Name string `q:"InstanceProfileName,required"`
}

func getProfile(c *call, in *profileIn) (iamProfileOut, error) {
	p := c.state.Profiles[in.Name]
	if p == nil || !c.visible(p.Created) {
		return iamProfileOut{}, fail("NoSuchEntity", "Instance Profile %s cannot be found.", in.Name)
	}
	return iamProfileOut{c.profileData(p)}, nil
}

type listProfilesOut struct {
	Profiles  members[profileData] `xml:"InstanceProfiles"`
	Truncated bool                 `xml:"IsTruncated"`
}

func (c *call) profiles(keep func(*profile) bool) listProfilesOut {
	var out listProfilesOut
	for _, name := range slices.Sorted(maps.Keys(c.state.Profiles)) {
		if p := c.state.Profiles[name]; keep(p) {
			out.Profiles.Items = append(out.Profiles.Items, c.profileData(p))
		}
	}
	return out
}

func listProfiles(c *call, in *listIn) (listProfilesOut, error) {
	return c.profiles(func(p *profile) bool { return strings.HasPrefix(p.Path, cmp.Or(in.Prefix, "/")) }), nil
}

func listProfilesForRole(c *call, in *listOfRoleIn) (listProfilesOut, error) {
	_, err := c.role(in.Name)
	return c.profiles(func(p *profile) bool { return p.Role == in.Name }), err
}

func deleteProfile(c *call, in *profileIn) (struct{}, error) {
	p := c.state.Profiles[in.Name]
	if p == nil {
		return struct{}{}, fail("NoSuchEntity", "Instance Profile %s cannot be found.", in.Name)
	}
	if p.Role != "" {
		return struct{}{}, fail("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(c.state.Profiles, in.Name)
	return struct{}{}, c.ready()
}

type profileRoleIn struct {
	Profile string `q:"InstanceProfileName,required"`
	Role    string `q:"RoleName,required"`
}

func addRole(c *call, in *profileRoleIn) (struct{}, error) {
	p := c.state.Profiles[in.Profile]
	switch {
	case p == nil:
		return struct{}{}, fail("NoSuchEntity", "Instance Profile %s cannot be found.", in.Profile)
	case c.state.Roles[in.Role] == nil:
		return struct{}{}, noEntity("role", in.Role)
	case p.Role != "":
		return struct{}{}, fail("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	p.Role = in.Role
	return struct{}{}, c.ready()
}

func removeRole(c *call, in *profileRoleIn) (struct{}, error) {
	p := c.state.Profiles[in.Profile]
	if p == nil {
		return struct{}{}, fail("NoSuchEntity", "Instance Profile %s cannot be found.", in.Profile)
	}
	if p.Role != in.Role {
		return struct{}{}, noEntity("role", in.Role)
	}
	p.Role = ""
	return struct{}{}, c.ready()
}

// profile returns the instance profile that a launch names.
func (c *call) profile(ref profileRef) (*profile, error) {
	for _, p := range c.state.Profiles {
		if (ref.Name == p.Name || ref.Name == "" && ref.ARN == p.arn()) && c.visible(p.Created) {
			return p, nil
		}
	}
	if ref.Name == "" {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", ref.ARN)
	}
	return nil, fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", ref.Name)
}
