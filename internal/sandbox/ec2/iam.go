package ec2

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

type role struct {
	Name, Path, ID, Assume, Description string
	Policies                            map[string]string
	Tags                                []iamTag
	Created                             time.Time
}

func (r *role) arn() string { return "arn:aws:iam::" + account + ":role" + r.Path + r.Name }

type profile struct {
	Name, Path, ID, Role string
	Tags                 []iamTag
	Created              time.Time
}

func (p *profile) arn() string {
	return "arn:aws:iam::" + account + ":instance-profile" + p.Path + p.Name
}

type iamTag struct {
	Key   string `q:"Key,required" xml:"Key"`
	Value string `q:"Value" xml:"Value"`
}

func (s *Server) iamActions() map[string]action {
	return map[string]action{
		"CreateRole":                    act(createRole),
		"GetRole":                       act(getRole),
		"ListRoles":                     act(listRoles),
		"DeleteRole":                    act(deleteRole),
		"PutRolePolicy":                 act(putRolePolicy),
		"GetRolePolicy":                 act(getRolePolicy),
		"ListRolePolicies":              act(listRolePolicies),
		"DeleteRolePolicy":              act(deleteRolePolicy),
		"ListAttachedRolePolicies":      act(listAttached),
		"CreateInstanceProfile":         act(createProfile),
		"GetInstanceProfile":            act(getProfile),
		"ListInstanceProfiles":          act(listProfiles),
		"ListInstanceProfilesForRole":   act(listProfilesForRole),
		"DeleteInstanceProfile":         act(deleteProfile),
		"AddRoleToInstanceProfile":      act(addRole),
		"RemoveRoleFromInstanceProfile": act(removeRole),
	}
}

var (
	iamName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w+=,.@-]{1,128}$`) })
	iamPath = regexp.MustCompile(`^/(?:[\x21-\x7e]*/)?$`)
)

func checkName(param, name string, path *string) error {
	if !iamName().MatchString(name) {
		return fail("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", param)
	}
	if *path == "" {
		*path = "/"
	}
	if !iamPath.MatchString(*path) {
		return fail("ValidationError", "The specified value for path is invalid: %s", *path)
	}
	return nil
}

func noEntity(what, name string) error {
	return fail("NoSuchEntity", "The %s with name %s cannot be found.", what, name)
}

type roleData struct {
	Path        string          `xml:"Path"`
	Name        string          `xml:"RoleName"`
	ID          string          `xml:"RoleId"`
	ARN         string          `xml:"Arn"`
	Created     stamp           `xml:"CreateDate"`
	Assume      string          `xml:"AssumeRolePolicyDocument"`
	Description string          `xml:"Description,omitempty"`
	Tags        members[iamTag] `xml:"Tags"`
}

func (r *role) data() roleData {
	return roleData{r.Path, r.Name, r.ID, r.arn(), stamp(r.Created), url.QueryEscape(r.Assume), r.Description, members[iamTag]{r.Tags}}
}

type roleOut struct {
	Role roleData `xml:"Role"`
}

type createRoleIn struct {
	Path        string   `q:"Path"`
	Name        string   `q:"RoleName,required"`
	Assume      string   `q:"AssumeRolePolicyDocument,required"`
	Description string   `q:"Description"`
	Session     int      `q:"MaxSessionDuration"`
	Tags        []iamTag `q:"Tags"`
}

func createRole(c *call, in *createRoleIn) (roleOut, error) {
	if err := checkName("roleName", in.Name, &in.Path); err != nil {
		return roleOut{}, err
	}
	if !json.Valid([]byte(in.Assume)) {
		return roleOut{}, fail("MalformedPolicyDocument", "This policy contains invalid Json")
	}
	if c.state.Roles[in.Name] != nil {
		return roleOut{}, fail("EntityAlreadyExists", "Role with name %s already exists.", in.Name)
	}
	if err := c.ready(); err != nil {
		return roleOut{}, err
	}
	r := &role{
		Name: in.Name, Path: in.Path, ID: "AROA" + strings.ToUpper(hexOf(17)), Assume: in.Assume,
		Description: in.Description, Policies: map[string]string{}, Tags: in.Tags, Created: c.now,
	}
	c.state.Roles[r.Name] = r
	return roleOut{r.data()}, nil
}

type roleIn struct {
	Name string `q:"RoleName,required"`
}

func (c *call) role(name string) (*role, error) {
	r := c.state.Roles[name]
	if r == nil || !c.visible(r.Created) {
		return nil, noEntity("role", name)
	}
	return r, nil
}

func getRole(c *call, in *roleIn) (roleOut, error) {
	r, err := c.role(in.Name)
	if err != nil {
		return roleOut{}, err
	}
	return roleOut{r.data()}, nil
}

type listIn struct {
	Prefix string `q:"PathPrefix"`
	Max    int    `q:"MaxItems"`
	Marker string `q:"Marker"`
}

type listRolesOut struct {
	Roles     members[roleData] `xml:"Roles"`
	Truncated bool              `xml:"IsTruncated"`
}

func listRoles(c *call, in *listIn) (listRolesOut, error) {
	var out listRolesOut
	for _, name := range slices.Sorted(maps.Keys(c.state.Roles)) {
		if r := c.state.Roles[name]; strings.HasPrefix(r.Path, cmp.Or(in.Prefix, "/")) {
			out.Roles.Items = append(out.Roles.Items, r.data())
		}
	}
	return out, nil
}

func deleteRole(c *call, in *roleIn) (struct{}, error) {
	r := c.state.Roles[in.Name]
	if r == nil {
		return struct{}{}, noEntity("role", in.Name)
	}
	if len(r.Policies) > 0 {
		return struct{}{}, fail("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	for _, p := range c.state.Profiles {
		if p.Role == r.Name {
			return struct{}{}, fail("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
	}
	delete(c.state.Roles, in.Name)
	return struct{}{}, c.ready()
}

type rolePolicyIn struct {
	Role     string `q:"RoleName,required"`
	Policy   string `q:"PolicyName,required"`
	Document string `q:"PolicyDocument,required"`
}

func putRolePolicy(c *call, in *rolePolicyIn) (struct{}, error) {
	r := c.state.Roles[in.Role]
	if r == nil {
		return struct{}{}, noEntity("role", in.Role)
	}
	var doc struct {
		Version   string
		Statement any
	}
	if err := json.Unmarshal([]byte(in.Document), &doc); err != nil || doc.Statement == nil {
		return struct{}{}, fail("MalformedPolicyDocument", "Syntax errors in policy.")
	}
	r.Policies[in.Policy] = in.Document
	return struct{}{}, c.ready()
}

type namedPolicyIn struct {
	Role   string `q:"RoleName,required"`
	Policy string `q:"PolicyName,required"`
}

type rolePolicyOut struct {
	Role     string `xml:"RoleName"`
	Policy   string `xml:"PolicyName"`
	Document string `xml:"PolicyDocument"`
}

func (c *call) rolePolicy(in *namedPolicyIn) (*role, error) {
	r := c.state.Roles[in.Role]
	if r == nil {
		return nil, noEntity("role", in.Role)
	}
	if _, ok := r.Policies[in.Policy]; !ok {
		return nil, noEntity("role policy", in.Policy)
	}
	return r, nil
}

func getRolePolicy(c *call, in *namedPolicyIn) (rolePolicyOut, error) {
	r, err := c.rolePolicy(in)
	if err != nil {
		return rolePolicyOut{}, err
	}
	return rolePolicyOut{r.Name, in.Policy, url.QueryEscape(r.Policies[in.Policy])}, nil
}

func deleteRolePolicy(c *call, in *namedPolicyIn) (struct{}, error) {
	r, err := c.rolePolicy(in)
	if err != nil {
		return struct{}{}, err
	}
	delete(r.Policies, in.Policy)
	return struct{}{}, c.ready()
}

type listOfRoleIn struct {
	roleIn
	Max    int    `q:"MaxItems"`
	Marker string `q:"Marker"`
	Prefix string `q:"PathPrefix"`
}

type listPoliciesOut struct {
	Names     members[string] `xml:"PolicyNames"`
	Truncated bool            `xml:"IsTruncated"`
}

func listRolePolicies(c *call, in *listOfRoleIn) (listPoliciesOut, error) {
	r, err := c.role(in.Name)
	if err != nil {
		return listPoliciesOut{}, err
	}
	return listPoliciesOut{Names: members[string]{slices.Sorted(maps.Keys(r.Policies))}}, nil
}

type listAttachedOut struct {
	Policies  members[string] `xml:"AttachedPolicies"`
	Truncated bool            `xml:"IsTruncated"`
}

// listAttached answers none: the sandbox attaches no managed policies.
func listAttached(c *call, in *listOfRoleIn) (listAttachedOut, error) {
	_, err := c.role(in.Name)
	return listAttachedOut{}, err
}
