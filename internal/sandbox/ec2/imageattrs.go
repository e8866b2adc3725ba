package ec2

import (
	"cmp"
	"slices"
	"time"
)

type modifyImageIn struct {
	ID          string         `q:"ImageId,required,id=ami"`
	Attribute   string         `q:"Attribute"`
	Operation   string         `q:"OperationType"`
	Value       string         `q:"Value"`
	Description *value[string] `q:"Description"`
	Launch      *permissions   `q:"LaunchPermission"`
	Users       []string       `q:"UserId"`
	Groups      []string       `q:"UserGroup"`
	Orgs        []string       `q:"OrganizationArn"`
	Units       []string       `q:"OrganizationalUnitArn"`
	Codes       []string       `q:"ProductCode"`
	IMDS        *value[string] `q:"ImdsSupport"`
}

type permissions struct {
	Add    []permission `q:"Add"`
	Remove []permission `q:"Remove"`
}

// all returns the permissions that the short form of a call adds or removes.
func (p *permissions) short(operation string, users, groups, orgs, units []string) error {
	var some []permission
	for _, u := range users {
		some = append(some, permission{User: u})
	}
	for _, g := range groups {
		some = append(some, permission{Group: g})
	}
	for _, o := range orgs {
		some = append(some, permission{Org: o})
	}
	for _, u := range units {
		some = append(some, permission{Unit: u})
	}
	if len(some) == 0 {
		return nil
	}
	switch operation {
	case "add":
		p.Add = append(p.Add, some...)
	case "remove":
		p.Remove = append(p.Remove, some...)
	default:
		return fail("InvalidParameterValue", "Value (%s) for parameter OperationType is invalid: it is add or remove", operation)
	}
	return nil
}

func (p *permissions) check() error {
	for _, x := range append(slices.Clone(p.Add), p.Remove...) {
		switch {
		case x == permission{}:
			return fail("MissingParameter", "A permission names a user, a group, an organization or an organizational unit")
		case x.Group != "" && x.Group != "all":
			return fail("InvalidAMIAttributeItemValue", "Invalid attribute item value %q for userGroup item type.", x.Group)
		case x.User != "" && !isAccount(x.User):
			return fail("InvalidAMIAttributeItemValue", "Invalid attribute item value %q for userId item type.", x.User)
		}
	}
	return nil
}

func isAccount(id string) bool {
	return len(id) == 12 && !slices.ContainsFunc([]byte(id), func(b byte) bool { return b < '0' || b > '9' })
}

// apply returns the list with the changes.
func (p *permissions) apply(list []permission) []permission {
	for _, x := range p.Add {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return slices.DeleteFunc(list, func(x permission) bool { return slices.Contains(p.Remove, x) })
}

func modifyImageAttribute(c *call, in *modifyImageIn) (done, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return done{}, err
	}
	if err := oneOf("Attribute", in.Attribute, "description", "launchPermission", "imdsSupport", "productCodes"); err != nil {
		return done{}, err
	}
	if in.Attribute == "description" && in.Description == nil {
		in.Description = &value[string]{in.Value}
	}
	if in.Attribute == "imdsSupport" && in.IMDS == nil {
		in.IMDS = &value[string]{in.Value}
	}
	p := cmp.Or(in.Launch, &permissions{})
	if err := cmp.Or(p.short(in.Operation, in.Users, in.Groups, in.Orgs, in.Units), p.check()); err != nil {
		return done{}, err
	}
	if len(p.Add) > 0 && m.encrypted() && slices.Contains(p.Add, permission{Group: "all"}) {
		return done{}, fail("InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can't be shared")
	}
	if in.IMDS != nil {
		if err := oneOf("ImdsSupport", in.IMDS.Value, "v2.0"); err != nil {
			return done{}, err
		}
	}
	if st := m.status(c.now); st != "available" {
		return done{}, fail("InvalidAMIID.Unavailable", "The image ID '%s' is not available: it is %s", m.ID, st)
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	m.Launch = p.apply(m.Launch)
	if in.Description != nil {
		m.Description = in.Description.Value
	}
	if in.IMDS != nil {
		m.IMDS = in.IMDS.Value
	}
	for _, code := range in.Codes {
		if !slices.Contains(m.Codes, code) {
			m.Codes = append(m.Codes, code)
		}
	}
	return done{true}, nil
}

type imageAttributeIn struct {
	ID        string `q:"ImageId,required,id=ami"`
	Attribute string `q:"Attribute,required"`
}

func resetImageAttribute(c *call, in *imageAttributeIn) (done, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return done{}, err
	}
	if err := oneOf("Attribute", in.Attribute, "launchPermission"); err != nil {
		return done{}, err
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	m.Launch = nil
	return done{true}, nil
}

type imageAttributeOut struct {
	ID           string             `xml:"imageId"`
	Launch       *list[permission]  `xml:"launchPermission"`
	Codes        *list[productCode] `xml:"productCodes"`
	Devices      *list[device]      `xml:"blockDeviceMapping"`
	Description  *value[string]     `xml:"description"`
	SRIOV        *value[string]     `xml:"sriovNetSupport"`
	BootMode     *value[string]     `xml:"bootMode"`
	TPM          *value[string]     `xml:"tpmSupport"`
	UEFIData     *value[string]     `xml:"uefiData"`
	LastLaunched *value[string]     `xml:"lastLaunchedTime"`
	IMDS         *value[string]     `xml:"imdsSupport"`
	Protection   *value[string]     `xml:"deregistrationProtection"`
}

func describeImageAttribute(c *call, in *imageAttributeIn) (imageAttributeOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return imageAttributeOut{}, err
	}
	o := imageAttributeOut{ID: m.ID}
	d := c.describeImage(m)
	switch in.Attribute {
	case "launchPermission":
		o.Launch = &list[permission]{m.Launch}
	case "productCodes":
		o.Codes = &d.Codes
	case "blockDeviceMapping":
		o.Devices = &d.Devices
	case "description":
		o.Description = &value[string]{m.Description}
	case "sriovNetSupport":
		o.SRIOV = &value[string]{m.SRIOV}
	case "bootMode":
		o.BootMode = &value[string]{m.BootMode}
	case "tpmSupport":
		o.TPM = &value[string]{m.TPM}
	case "uefiData":
		o.UEFIData = &value[string]{m.UEFIData}
	case "lastLaunchedTime":
		o.LastLaunched = &value[string]{d.LastLaunched}
	case "imdsSupport":
		o.IMDS = &value[string]{m.IMDS}
	case "deregistrationProtection":
		o.Protection = &value[string]{m.Protection}
	default:
		return o, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid.", in.Attribute)
	}
	return o, nil
}

type deprecateIn struct {
	ID string     `q:"ImageId,required,id=ami"`
	At *time.Time `q:"DeprecateAt,required"`
}

func enableDeprecation(c *call, in *deprecateIn) (done, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return done{}, err
	}
	if !in.At.After(c.now) || in.At.After(c.now.AddDate(10, 0, 0)) {
		return done{}, fail("InvalidParameterValue", "Invalid value for DeprecateAt: %s is in the past or more than ten years from now", in.At.Format(time.RFC3339))
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	m.Deprecated = in.At.Truncate(time.Minute)
	return done{true}, nil
}

type imageIn struct {
	ID string `q:"ImageId,required,id=ami"`
}

func disableDeprecation(c *call, in *imageIn) (done, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return done{}, err
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	m.Deprecated = time.Time{}
	return done{true}, nil
}

type protectIn struct {
	ID       string `q:"ImageId,required,id=ami"`
	Cooldown bool   `q:"WithCooldown"`
}

type protectOut struct {
	Return string `xml:"return"`
}

func enableProtection(c *call, in *protectIn) (protectOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return protectOut{}, err
	}
	if err := c.ready(); err != nil {
		return protectOut{}, err
	}
	m.Protection = "enabled-without-cooldown"
	if in.Cooldown {
		m.Protection = "enabled-with-cooldown"
	}
	return protectOut{m.Protection}, nil
}

// disableProtection ends the protection at once: the sandbox has no cooldown.
func disableProtection(c *call, in *imageIn) (protectOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return protectOut{}, err
	}
	if err := c.ready(); err != nil {
		return protectOut{}, err
	}
	m.Protection = "disabled"
	return protectOut{m.Protection}, nil
}

// fastLaunch is the settings of an image that launches fast.
type fastLaunch struct {
	Snapshots int
	Parallel  int
	Template  *templateRef
	Since     time.Time
	Disabled  bool
}

type fastLaunchIn struct {
	ID        string `q:"ImageId,required,id=ami"`
	Kind      string `q:"ResourceType"`
	Snapshots struct {
		Target int `q:"TargetResourceCount"`
	} `q:"SnapshotConfiguration"`
	Template *templateRef `q:"LaunchTemplate"`
	Parallel *int         `q:"MaxParallelLaunches"`
}

type fastLaunchOut struct {
	ID       string       `xml:"imageId"`
	Kind     string       `xml:"resourceType"`
	Target   int          `xml:"snapshotConfiguration>targetResourceCount"`
	Template *templateRef `xml:"launchTemplate"`
	Parallel int          `xml:"maxParallelLaunches"`
	Owner    string       `xml:"ownerId"`
	State    string       `xml:"state"`
	Since    stamp        `xml:"stateTransitionTime"`
}

func (m *image) fastLaunch(now time.Time, settled time.Duration) fastLaunchOut {
	f := m.FastLaunch
	o := fastLaunchOut{m.ID, "snapshot", f.Snapshots, f.Template, f.Parallel, account, "enabled", stamp(f.Since)}
	if now.Before(f.Since.Add(settled)) {
		o.State = "enabling"
		if f.Disabled {
			o.State = "disabling"
		}
	}
	return o
}

// enableFastLaunch takes any image, where the service takes Windows only: the
// sandbox has none.
func enableFastLaunch(c *call, in *fastLaunchIn) (fastLaunchOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return fastLaunchOut{}, err
	}
	if err := oneOf("ResourceType", in.Kind, "snapshot"); err != nil {
		return fastLaunchOut{}, err
	}
	f := &fastLaunch{Snapshots: cmp.Or(in.Snapshots.Target, 5), Parallel: 6, Template: in.Template, Since: c.now}
	if in.Parallel != nil {
		f.Parallel = *in.Parallel
	}
	if f.Parallel < 6 {
		return fastLaunchOut{}, fail("InvalidParameterValue", "MaxParallelLaunches must be 6 or greater")
	}
	if in.Template != nil {
		if _, _, err := c.template(*in.Template); err != nil {
			return fastLaunchOut{}, err
		}
	}
	if err := c.ready(); err != nil {
		return fastLaunchOut{}, err
	}
	m.FastLaunch = f
	return m.fastLaunch(c.now, c.Timing.Image), nil
}

type disableFastLaunchIn struct {
	ID    string `q:"ImageId,required,id=ami"`
	Force bool   `q:"Force"`
}

func disableFastLaunch(c *call, in *disableFastLaunchIn) (fastLaunchOut, error) {
	m, err := c.ownImage(in.ID)
	if err != nil {
		return fastLaunchOut{}, err
	}
	if m.FastLaunch == nil {
		return fastLaunchOut{}, fail("InvalidRequest", "Fast launch is not enabled for %s", m.ID)
	}
	if err := c.ready(); err != nil {
		return fastLaunchOut{}, err
	}
	m.FastLaunch.Disabled, m.FastLaunch.Since = true, c.now
	return m.fastLaunch(c.now, c.Timing.Image), nil
}

type describeFastLaunchIn struct {
	paging
	IDs     []string `q:"ImageId,id=ami"`
	Filters []filter `q:"Filter"`
}

type describeFastLaunchOut struct {
	Next string              `xml:"nextToken,omitempty"`
	All  list[fastLaunchOut] `xml:"fastLaunchImageSet"`
}

func describeFastLaunch(c *call, in *describeFastLaunchIn) (describeFastLaunchOut, error) {
	var all []fastLaunchOut
	for _, m := range c.sortedImages() {
		if m.FastLaunch == nil || len(in.IDs) > 0 && !slices.Contains(in.IDs, m.ID) {
			continue
		}
		if o := m.fastLaunch(c.now, c.Timing.Image); !m.FastLaunch.Disabled || o.State == "disabling" {
			all = append(all, o)
		}
	}
	all, err := pick(all, in.Filters, attrs[fastLaunchOut]{
		"resource-type": one(func(f fastLaunchOut) string { return f.Kind }),
		"owner-id":      one(func(f fastLaunchOut) string { return f.Owner }),
		"state":         one(func(f fastLaunchOut) string { return f.State }),
	}, nil)
	if err != nil {
		return describeFastLaunchOut{}, err
	}
	all, next, err := page(in.paging, all, nil)
	return describeFastLaunchOut{next, listOf(all)}, err
}
