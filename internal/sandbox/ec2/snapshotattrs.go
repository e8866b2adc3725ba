package ec2

import (
	"cmp"
	"slices"
	"time"
)

type describeSnapshotsIn struct {
	paging
	IDs        []string `q:"SnapshotId,id=snap"`
	Owners     []string `q:"Owner"`
	Restorable []string `q:"RestorableBy"`
	Filters    []filter `q:"Filter"`
}

type describeSnapshotsOut struct {
	Next string            `xml:"nextToken,omitempty"`
	All  list[snapshotOut] `xml:"snapshotSet"`
}

// describeSnapshots returns the account's snapshots; those of the catalogue's
// images only to who knows their ids or owner.
func describeSnapshots(c *call, in *describeSnapshotsIn) (describeSnapshotsOut, error) {
	all, err := byID(c, c.Snapshots, in.IDs, "snap", func(s *snapshot) time.Time { return s.Created })
	if err != nil {
		return describeSnapshotsOut{}, err
	}
	all = slices.DeleteFunc(all, func(s *snapshot) bool {
		if len(in.Owners) == 0 {
			return len(in.IDs) == 0 && s.Owner != account
		}
		return !slices.ContainsFunc(in.Owners, func(o string) bool { return o == s.Owner || o == "self" && s.Owner == account || aliases[o] == s.Owner })
	})
	if len(in.Restorable) > 0 {
		all = slices.DeleteFunc(all, func(s *snapshot) bool {
			return !slices.ContainsFunc(in.Restorable, func(who string) bool {
				return (who == "self" || who == account) && s.Owner == account ||
					slices.Contains(s.Share, permission{User: who}) || who == "all" && slices.Contains(s.Share, permission{Group: "all"})
			})
		})
	}
	all, err = pick(all, in.Filters, attrs[*snapshot]{
		"snapshot-id": one(func(s *snapshot) string { return s.ID }),
		"volume-id":   one(func(s *snapshot) string { return s.Volume }),
		"volume-size": one(func(s *snapshot) string { return itoa(s.Size) }),
		"status":      one(func(s *snapshot) string { return s.status(c.now) }),
		"description": one(func(s *snapshot) string { return s.Description }),
		"owner-id":    one(func(s *snapshot) string { return s.Owner }),
		"encrypted":   yes(func(s *snapshot) bool { return s.Encrypted }),
		"start-time":  when(func(s *snapshot) time.Time { return s.Created }),
		"progress":    one(func(s *snapshot) string { return c.describeSnapshot(s).Progress }),
	}, func(s *snapshot) map[string]string { return c.Tags[s.ID] })
	if err != nil {
		return describeSnapshotsOut{}, err
	}
	all, next, err := page(in.paging, all, in.IDs)
	out := describeSnapshotsOut{Next: next}
	for _, s := range all {
		out.All.Items = append(out.All.Items, c.describeSnapshot(s))
	}
	return out, err
}

type snapshotIn struct {
	ID string `q:"SnapshotId,required,id=snap"`
}

// ownSnapshot returns a snapshot of the account.
func (c *call) ownSnapshot(id string) (*snapshot, error) {
	s := c.Snapshots[id]
	if s == nil {
		return nil, notFound("snap", id)
	}
	if s.Owner != account {
		return nil, fail("AuthFailure", "You do not own the snapshot %s", id)
	}
	return s, nil
}

func deleteSnapshot(c *call, in *snapshotIn) (done, error) {
	s, err := c.ownSnapshot(in.ID)
	if err != nil {
		return done{}, err
	}
	if by := c.imageOf(s.ID); by != "" {
		return done{}, fail("InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s", s.ID, by)
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	c.dropSnapshot(s.ID)
	c.collect()
	return done{true}, nil
}

type modifySnapshotIn struct {
	ID        string       `q:"SnapshotId,required,id=snap"`
	Attribute string       `q:"Attribute"`
	Operation string       `q:"OperationType"`
	Volume    *permissions `q:"CreateVolumePermission"`
	Users     []string     `q:"UserId"`
	Groups    []string     `q:"UserGroup"`
}

func modifySnapshotAttribute(c *call, in *modifySnapshotIn) (done, error) {
	s, err := c.ownSnapshot(in.ID)
	if err != nil {
		return done{}, err
	}
	if err := oneOf("Attribute", in.Attribute, "createVolumePermission"); err != nil {
		return done{}, err
	}
	p := cmp.Or(in.Volume, &permissions{})
	if err := cmp.Or(p.short(in.Operation, in.Users, in.Groups, nil, nil), p.check()); err != nil {
		return done{}, err
	}
	if s.Encrypted && slices.Contains(p.Add, permission{Group: "all"}) {
		return done{}, fail("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	s.Share = p.apply(s.Share)
	return done{true}, nil
}

type snapshotAttributeIn struct {
	ID        string `q:"SnapshotId,required,id=snap"`
	Attribute string `q:"Attribute,required"`
}

func resetSnapshotAttribute(c *call, in *snapshotAttributeIn) (done, error) {
	s, err := c.ownSnapshot(in.ID)
	if err != nil {
		return done{}, err
	}
	if err := oneOf("Attribute", in.Attribute, "createVolumePermission"); err != nil {
		return done{}, err
	}
	if err := c.ready(); err != nil {
		return done{}, err
	}
	s.Share = nil
	return done{true}, nil
}

type snapshotAttributeOut struct {
	ID    string             `xml:"snapshotId"`
	Share *list[permission]  `xml:"createVolumePermission"`
	Codes *list[productCode] `xml:"productCodes"`
}

func describeSnapshotAttribute(c *call, in *snapshotAttributeIn) (snapshotAttributeOut, error) {
	s, err := c.ownSnapshot(in.ID)
	if err != nil {
		return snapshotAttributeOut{}, err
	}
	o := snapshotAttributeOut{ID: s.ID}
	switch in.Attribute {
	case "createVolumePermission":
		o.Share = &list[permission]{s.Share}
	case "productCodes":
		o.Codes = &list[productCode]{}
	default:
		return o, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid.", in.Attribute)
	}
	return o, nil
}
