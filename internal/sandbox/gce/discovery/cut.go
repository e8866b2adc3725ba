package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Source is an official document and the methods of it that are in use.
type Source struct {
	File    string // in the module google.golang.org/api
	Methods []string
}

// Sources are the documents that the built-in one is cut from.
func Sources() []Source {
	return []Source{ // the parameters of the later ones count
		{"storage/v1/storage-api.json", strings.Fields("objects.get objects.insert objects.delete")},
		{"compute/v1/compute-api.json", computeMethods()},
		{"oslogin/v1/oslogin-api.json", strings.Fields(`
			users.getLoginProfile users.importSshPublicKey
			users.sshPublicKeys.get users.sshPublicKeys.delete`)},
		{"secretmanager/v1/secretmanager-api.json", strings.Fields(`
			projects.secrets.create projects.secrets.delete projects.secrets.addVersion
			projects.secrets.versions.access projects.locations.secrets.versions.access`)},
		{"parametermanager/v1/parametermanager-api.json", strings.Fields(`
			projects.locations.parameters.create projects.locations.parameters.delete
			projects.locations.parameters.versions.create projects.locations.parameters.versions.render`)},
		{"iamcredentials/v1/iamcredentials-api.json", strings.Fields("projects.serviceAccounts.generateAccessToken")},
	}
}

func computeMethods() []string {
	var all []string
	for resource, methods := range map[string]string{
		"images":           "get getFromFamily list insert delete deprecate patch setLabels getIamPolicy setIamPolicy",
		"imageFamilyViews": "get",
		"instances":        "get list aggregatedList insert delete stop start reset setMetadata setLabels attachDisk detachDisk setDiskAutoDelete getSerialPortOutput getGuestAttributes addAccessConfig",
		"disks":            "get list aggregatedList insert delete setLabels createSnapshot",
		"regionDisks":      "get list insert delete setLabels createSnapshot",
		"snapshots":        "get list insert delete setLabels",
		"zones":            "get list",
		"regions":          "get list",
		"machineTypes":     "get list",
		"diskTypes":        "get list",
		"regionDiskTypes":  "get list",
		"acceleratorTypes": "get list",
		"projects":         "get setCommonInstanceMetadata",
		"networks":         "get list insert delete",
		"subnetworks":      "get list aggregatedList insert delete",
		"addresses":        "get list aggregatedList insert delete",
		"firewalls":        "get list insert delete",
		"zoneOperations":   "get list wait",
		"regionOperations": "get list wait",
		"globalOperations": "get list wait aggregatedList",
	} {
		for method := range strings.FieldsSeq(methods) {
			all = append(all, resource+"."+method)
		}
	}
	slices.Sort(all)
	return all
}

// official is a discovery document as Google publishes it.
type official struct {
	Name        string               `json:"name"`
	ServicePath string               `json:"servicePath"`
	Parameters  map[string]*Schema   `json:"parameters"`
	Schemas     map[string]*Schema   `json:"schemas"`
	Resources   map[string]*resource `json:"resources"`
}

type resource struct {
	Methods map[string]*struct {
		ID         string             `json:"id"`
		HTTPMethod string             `json:"httpMethod"`
		Path       string             `json:"path"`
		Parameters map[string]*Schema `json:"parameters"`
		Request    Schema             `json:"request"`
		Response   Schema             `json:"response"`
	} `json:"methods"`
	Resources map[string]*resource `json:"resources"`
}

// Cut adds the methods of an official document, and the schemas that they need.
func (d *Document) Cut(text []byte, methods []string) error {
	var all official
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if d.Methods == nil {
		d.Parameters, d.Methods, d.Schemas = map[string]*Schema{}, map[string]*Method{}, map[string]*Schema{}
	}
	for name, p := range all.Parameters {
		d.Parameters[name] = p
	}
	for _, name := range methods {
		m, err := all.method(name)
		if err != nil {
			return err
		}
		d.Methods[m.ID] = m
		for _, schema := range []*string{&m.Request, &m.Response} {
			if err := d.need(&all, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *official) method(name string) (*Method, error) {
	steps := strings.Split(name, ".")
	at := &resource{Resources: o.Resources}
	for _, step := range steps[:len(steps)-1] {
		if at = at.Resources[step]; at == nil {
			return nil, fmt.Errorf("%s has no %s", o.Name, name)
		}
	}
	m := at.Methods[steps[len(steps)-1]]
	if m == nil {
		return nil, fmt.Errorf("%s has no %s", o.Name, name)
	}
	return &Method{ID: m.ID, HTTP: m.HTTPMethod, Path: o.ServicePath + m.Path,
		Parameters: m.Parameters, Request: m.Request.Ref, Response: m.Response.Ref}, nil
}

// need adds a schema and those that it refers to, each under the name of its
// service: two services have different ones of the same name.
func (d *Document) need(all *official, name *string) error {
	if *name == "" {
		return nil
	}
	s := all.Schemas[*name]
	if s == nil {
		return fmt.Errorf("%s has no schema %s", all.Name, *name)
	}
	*name = all.Name + "." + *name
	if d.Schemas[*name] != nil {
		return nil
	}
	d.Schemas[*name] = s
	return d.needIn(all, s)
}

func (d *Document) needIn(all *official, s *Schema) error {
	if s == nil {
		return nil
	}
	if err := d.need(all, &s.Ref); err != nil {
		return err
	}
	for _, inner := range []*Schema{s.Items, s.AdditionalProperties} {
		if err := d.needIn(all, inner); err != nil {
			return err
		}
	}
	for _, p := range s.Properties {
		if err := d.needIn(all, p); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes the document as it is kept in the repository.
func (d *Document) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", " ")
	return append(text, '\n'), err
}
