package ec2

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// imds answers http://169.254.169.254 in the machine of an instance, both
// versions of it.
type imds struct {
	server *Server
	id     string
}

// tokens of the second version live in the process: after a restart clients
// ask for new ones.
type imdsTokens struct {
	mu  sync.Mutex
	all map[string]time.Time // until when
}

const longestToken = 21600 // seconds

func (m *imds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	doc, opts, ok := m.document()
	switch {
	case !ok:
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	case opts.Endpoint == "disabled":
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	case r.URL.Path == "/latest/api/token":
		m.token(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	given := r.Header.Get("X-Aws-Ec2-Metadata-Token")
	if given == "" && opts.Tokens == "required" || given != "" && !m.server.imds.valid(m.id+given) {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	text, ok := find(doc, r.URL.Path)
	if !ok {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(text)) // the client may be gone
}

func (m *imds) token(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.Atoi(r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
	switch {
	case r.Method != http.MethodPut:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case err != nil || seconds < 1 || seconds > longestToken || r.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "Bad Request", http.StatusBadRequest)
	default:
		token := base64.URLEncoding.EncodeToString([]byte(hexOf(40)))
		m.server.imds.add(m.id+token, time.Duration(seconds)*time.Second)
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", strconv.Itoa(seconds))
		_, _ = w.Write([]byte(token)) // the client may be gone
	}
}

func (t *imdsTokens) add(token string, life time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(t.all, func(_ string, until time.Time) bool { return now.After(until) })
	if t.all == nil {
		t.all = map[string]time.Time{}
	}
	t.all[token] = now.Add(life)
}

func (t *imdsTokens) valid(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.all[token])
}

// find returns what is at a path of the document: a value, or the names below
// it.
func find(doc map[string]string, at string) (string, bool) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	if version == "" {
		return "latest", true
	}
	if version != "latest" && !strings.HasPrefix(version, "20") {
		return "", false
	}
	rest = strings.TrimSuffix(rest, "/")
	if text, ok := doc[rest]; ok {
		return text, true
	}
	names := map[string]bool{}
	for path := range doc {
		below, ok := strings.CutPrefix(path, rest+"/")
		if rest == "" {
			below, ok = path, true
		}
		if !ok {
			continue
		}
		name, _, more := strings.Cut(below, "/")
		if more {
			name += "/"
		}
		names[name] = true
	}
	if len(names) == 0 {
		return "", false
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), "\n"), true
}

// document returns all metadata of the instance by path, and its options.
func (m *imds) document() (map[string]string, metadataOptions, bool) {
	s := m.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.state.Regions {
		if i := r.Instances[m.id]; i != nil {
			c := &call{Server: s, region: r, name: name, now: time.Now()}
			return c.metadata(i), i.Launch.metadata(), true
		}
	}
	return nil, metadataOptions{}, false
}

func (c *call) metadata(i *instance) map[string]string {
	host := "ip-" + dashed(i.Private.String()) + ".ec2.internal"
	var zoneID string
	for _, z := range zonesOf(c.name) {
		if z.Name == i.Zone {
			zoneID = z.ID
		}
	}
	doc := map[string]string{
		"meta-data/ami-id": i.Image, "meta-data/ami-launch-index": itoa(i.Index), "meta-data/ami-manifest-path": "(unknown)",
		"meta-data/hostname": host, "meta-data/local-hostname": host, "meta-data/local-ipv4": i.Private.String(),
		"meta-data/instance-action": "none", "meta-data/instance-id": i.ID, "meta-data/instance-life-cycle": "on-demand",
		"meta-data/instance-type": i.Launch.Type, "meta-data/mac": mac(i.ID), "meta-data/profile": "default-hvm",
		"meta-data/placement/availability-zone": i.Zone, "meta-data/placement/availability-zone-id": zoneID,
		"meta-data/placement/region": c.name, "meta-data/reservation-id": i.Reservation,
		"meta-data/services/domain": "amazonaws.com", "meta-data/services/partition": "aws",
		"meta-data/block-device-mapping/ami": "xvda", "meta-data/block-device-mapping/root": i.RootDevice,
		"dynamic/instance-identity/document": c.identity(i),
	}
	var groups []string
	for _, g := range c.groupRefs(i.Groups).Items {
		groups = append(groups, g.Name)
	}
	doc["meta-data/security-groups"] = strings.Join(groups, "\n")
	nic := "meta-data/network/interfaces/macs/" + mac(i.ID) + "/"
	for k, v := range map[string]string{
		"device-number": "0", "local-ipv4s": i.Private.String(), "mac": mac(i.ID), "owner-id": account, "subnet-id": i.Subnet,
		"vpc-id": i.VPC, "security-group-ids": strings.Join(i.Groups, "\n"), "interface-id": idFor("eni", i.ID),
	} {
		doc[nic+k] = v
	}
	if i.Public.IsValid() {
		doc["meta-data/public-ipv4"], doc["meta-data/public-hostname"] = i.Public.String(), i.Public.String()
		doc[nic+"public-ipv4s"] = i.Public.String()
	}
	if k := c.KeyPairs[i.Launch.Key]; k != nil {
		doc["meta-data/public-keys"] = "0=" + k.Name
		doc["meta-data/public-keys/0"] = "openssh-key"
		doc["meta-data/public-keys/0/openssh-key"] = k.Public
	}
	if raw, err := base64.StdEncoding.DecodeString(i.Launch.UserData); err == nil && len(raw) > 0 {
		doc["user-data"] = string(raw)
	}
	c.optionalMetadata(i, doc)
	return doc
}

// optionalMetadata adds what only some instances have: tags, a role, an end.
func (c *call) optionalMetadata(i *instance, doc map[string]string) {
	if i.Launch.metadata().Tags == "enabled" {
		for k, v := range c.Tags[i.ID] {
			doc["meta-data/tags/instance/"+k] = v
		}
	}
	if i.Spot != "" {
		doc["meta-data/instance-life-cycle"] = "spot"
	}
	if !i.Interrupt.IsZero() {
		at := i.Interrupt.UTC().Format(time.RFC3339)
		doc["meta-data/spot/instance-action"] = jsonText(map[string]string{"action": "terminate", "time": at})
		doc["meta-data/spot/termination-time"] = at
	}
	if i.Launch.Profile == nil {
		return
	}
	p, err := c.profile(*i.Launch.Profile)
	if err != nil {
		return
	}
	now := c.now.UTC()
	doc["meta-data/iam/info"] = jsonText(map[string]string{
		"Code": "Success", "LastUpdated": now.Format(time.RFC3339), "InstanceProfileArn": p.arn(), "InstanceProfileId": p.ID,
	})
	if p.Role == "" {
		return
	}
	doc["meta-data/iam/security-credentials/"+p.Role] = c.roleCredentials(i, now)
}

// roleCredentials returns the credentials of an instance's role, which stay
// the same while it exists.
func (c *call) roleCredentials(i *instance, now time.Time) string {
	key := "ASIA" + strings.ToUpper(idFor("", i.ID)[2:])
	if c.state.Keys[key] == "" {
		c.state.Keys[key] = hexOf(40)
	}
	return jsonText(map[string]string{
		"Code": "Success", "LastUpdated": now.Format(time.RFC3339), "Type": "AWS-HMAC", "AccessKeyId": key,
		"SecretAccessKey": c.state.Keys[key], "Token": "sandbox-" + i.ID, "Expiration": now.Add(6 * time.Hour).Format(time.RFC3339),
	})
}

func (c *call) identity(i *instance) string {
	return jsonText(map[string]any{
		"accountId": account, "architecture": i.Arch, "availabilityZone": i.Zone, "imageId": i.Image, "instanceId": i.ID,
		"instanceType": i.Launch.Type, "pendingTime": i.Launched.UTC().Format(time.RFC3339), "privateIp": i.Private.String(),
		"region": c.name, "version": "2017-09-30", "billingProducts": nil, "kernelId": nil, "ramdiskId": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil,
	})
}

func jsonText(v any) string {
	raw, _ := json.MarshalIndent(v, "", "  ") // maps of strings can be written
	return string(raw)
}

// mac is the address that an instance's network interface says it has.
func mac(id string) string {
	h := idFor("", id)
	return fmt.Sprintf("0a:%s:%s:%s:%s:%s", h[2:4], h[4:6], h[6:8], h[8:10], h[10:12])
}
