package amazon

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/journal"
)

// Kinds of resources in journals.
const (
	kindInstance = "instance"
	kindFleet    = "fleet"
	kindTemplate = "launch-template"
	kindImage    = "image"
	kindSnapshot = "snapshot"
	kindVolume   = "volume"
	kindGroup    = "security-group"
	kindKeyPair  = "key-pair"
	kindProfile  = "instance-profile"
	kindRole     = "role"
	kindImport   = "import-task"
	kindObject   = "object"
)

// sweepStages are the kinds there are, in the order in which they can be
// removed. Those of a stage do not depend on one another.
func sweepStages() [][]*sweepKind {
	return [][]*sweepKind{
		{
			{name: kindFleet, byID: "fleet-id", find: findFleets, remove: removeFleet, gone: []string{"InvalidFleetId.NotFound", "fleetIdDoesNotExist"}},
			{name: kindInstance, byID: "instance-id", byToken: "client-token", find: findInstances, together: terminate, remove: awaitEnd,
				gone: []string{"InvalidInstanceID.NotFound"}},
			{name: kindImage, byID: "image-id", byName: "name", find: findImages, remove: removeImage,
				gone: []string{"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"}},
			{name: kindImport, byID: "import-task-id", find: findImports, remove: removeImport},
			{name: kindKeyPair, byID: "key-pair-id", byName: "key-name", find: findKeyPairs, remove: removeKeyPair, gone: []string{"InvalidKeyPair.NotFound"}},
		},
		{
			{name: kindTemplate, byID: "launch-template-id", byName: "launch-template-name", find: findTemplates, remove: removeTemplate,
				gone: []string{"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.NotFoundException", "InvalidLaunchTemplateName.NotFoundException"}},
			{name: kindObject, byID: "name", byName: "name", find: findObjects, remove: removeObject, gone: []string{"NoSuchBucket", "NoSuchKey"}},
			{name: kindSnapshot, byID: "snapshot-id", find: findSnapshots, remove: removeSnapshot, gone: []string{"InvalidSnapshot.NotFound"}},
			{name: kindVolume, byID: "volume-id", find: findVolumes, remove: removeVolume, gone: []string{"InvalidVolume.NotFound"}},
			{name: kindGroup, byID: "group-id", byName: "group-name", find: findGroups, remove: removeGroup,
				gone: []string{"InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound"}},
			{name: kindProfile, byID: "name", byName: "name", find: findProfiles, remove: removeProfile, gone: []string{"NoSuchEntity"}},
		},
		{
			{name: kindRole, byID: "name", byName: "name", find: findRoles, remove: removeRole, gone: []string{"NoSuchEntity"}},
		},
	}
}

// resource begins a thing.
func resource(id, name string, tags []types.Tag) *thing {
	t := &thing{Resource: journal.Resource{ID: id, Name: name, Tags: tagMap(tags)}}
	t.Build = t.Tags[tagBuild]
	return t
}

func tagMap(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// valuesOf returns what a filter in the list asks for.
func valuesOf(filters []types.Filter, name string) []string {
	for _, f := range filters {
		if aws.ToString(f.Name) == name {
			return f.Values
		}
	}
	return nil
}

// findFleets finds fleets by their ids only: EC2 does not list those that were
// asked for once. Others are found by their instances.
func findFleets(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	var out []*thing
	for _, id := range valuesOf(filters, "fleet-id") {
		page, err := r.EC2.DescribeFleets(ctx, &ec2.DescribeFleetsInput{FleetIds: []string{id}})
		if hasCode(err, "InvalidFleetId.NotFound", "fleetIdDoesNotExist") {
			continue
		}
		if err != nil {
			return out, err
		}
		for _, f := range page.Fleets {
			if !strings.HasPrefix(string(f.FleetState), "deleted") {
				out = append(out, resource(aws.ToString(f.FleetId), "", f.Tags))
			}
		}
	}
	return out, nil
}

func removeFleet(ctx context.Context, r *Region, t *thing) error {
	out, err := r.EC2.DeleteFleets(ctx, &ec2.DeleteFleetsInput{FleetIds: []string{t.ID}, TerminateInstances: aws.Bool(true)})
	if err != nil {
		return err
	}
	for _, f := range out.UnsuccessfulFleetDeletions {
		if e := f.Error; e != nil && e.Code != types.DeleteFleetErrorCodeFleetIdDoesNotExist {
			return &Error{Code: string(e.Code), Message: aws.ToString(e.Message)}
		}
	}
	return nil
}

func findInstances(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	filters = append(filters, filter("instance-state-name", "pending", "running", "stopping", "stopped", "shutting-down"))
	p := ec2.NewDescribeInstancesPaginator(r.EC2, &ec2.DescribeInstancesInput{Filters: filters})
	var out []*thing
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return out, err
		}
		for _, res := range page.Reservations {
			for _, i := range res.Instances {
				t := resource(aws.ToString(i.InstanceId), "", i.Tags)
				t.Token, t.Created, t.fleet = aws.ToString(i.ClientToken), aws.ToTime(i.LaunchTime), t.Tags["aws:ec2:fleet-id"]
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// terminate ends all instances in one call, or one by one where one of them
// can't be ended.
func terminate(ctx context.Context, r *Region, list []*thing) {
	var ids []string
	for _, t := range list {
		ids = append(ids, t.ID)
	}
	if _, err := r.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err == nil {
		return
	}
	for _, t := range list {
		_, t.err = r.EC2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{t.ID}})
	}
}

// awaitEnd waits until an instance has let go of what it used.
func awaitEnd(ctx context.Context, r *Region, t *thing) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patienceSweep, fmt.Errorf("it has not ended after %s", patienceSweep))
	defer cancel()
	_, err := r.instances.Wait(ctx, t.ID, func(i types.Instance, exists bool) (bool, error) {
		return !exists || i.State != nil && i.State.Name == types.InstanceStateNameTerminated, nil
	})
	return err
}

func findTemplates(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	if ids := valuesOf(filters, "launch-template-id"); ids != nil {
		var out []*thing
		for _, id := range ids {
			list, err := listTemplates(ctx, r, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{id}})
			if err != nil && !strings.HasPrefix(code(err), "InvalidLaunchTemplate") {
				return out, err
			}
			out = append(out, list...)
		}
		return out, nil
	}
	return listTemplates(ctx, r, &ec2.DescribeLaunchTemplatesInput{Filters: filters})
}

func listTemplates(ctx context.Context, r *Region, in *ec2.DescribeLaunchTemplatesInput) ([]*thing, error) {
	page, err := r.EC2.DescribeLaunchTemplates(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []*thing
	for _, l := range page.LaunchTemplates {
		t := resource(aws.ToString(l.LaunchTemplateId), aws.ToString(l.LaunchTemplateName), l.Tags)
		t.Created = aws.ToTime(l.CreateTime)
		out = append(out, t)
	}
	return out, nil
}

func removeTemplate(ctx context.Context, r *Region, t *thing) error {
	_, err := r.EC2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: &t.ID})
	return err
}

func findKeyPairs(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	page, err := r.EC2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: filters})
	if err != nil {
		return nil, err
	}
	var out []*thing
	for _, k := range page.KeyPairs {
		t := resource(aws.ToString(k.KeyPairId), aws.ToString(k.KeyName), k.Tags)
		t.Created = aws.ToTime(k.CreateTime)
		out = append(out, t)
	}
	return out, nil
}

func removeKeyPair(ctx context.Context, r *Region, t *thing) error {
	_, err := r.EC2.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyPairId: &t.ID})
	return err
}

func findGroups(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	page, err := r.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: filters})
	if err != nil {
		return nil, err
	}
	var out []*thing
	for _, g := range page.SecurityGroups {
		out = append(out, resource(aws.ToString(g.GroupId), aws.ToString(g.GroupName), g.Tags))
	}
	return out, nil
}

func removeGroup(ctx context.Context, r *Region, t *thing) error {
	return eventually(ctx, func() error {
		_, err := r.EC2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &t.ID})
		return err
	}, "DependencyViolation")
}
