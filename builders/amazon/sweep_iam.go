package amazon

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ingot-build/ingot/internal/journal"
)

// IAM's resources are of the whole account. Their tags are told one by one, so
// that marks are looked for only on those with a name of ours.

// ours is how the names begin that sessions make up.
const ours = "ingot-"

func findProfiles(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	names := valuesOf(filters, "name")
	all := names == nil
	for p := iam.NewListInstanceProfilesPaginator(r.IAM(), &iam.ListInstanceProfilesInput{}); all && p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, mayList(err)
		}
		for _, i := range page.InstanceProfiles {
			if name := aws.ToString(i.InstanceProfileName); strings.HasPrefix(name, ours) {
				names = append(names, name)
			}
		}
	}
	var out []*thing
	for _, name := range names {
		got, err := r.IAM().GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
		if hasCode(err, "NoSuchEntity") {
			continue
		}
		if err != nil {
			return out, err
		}
		p := got.InstanceProfile
		t := identity(name, p.Tags)
		t.Created = aws.ToTime(p.CreateDate)
		for _, role := range p.Roles {
			t.roles = append(t.roles, aws.ToString(role.RoleName))
		}
		out = append(out, t)
	}
	return out, nil
}

func removeProfile(ctx context.Context, r *Region, t *thing) error {
	for _, role := range t.roles {
		_, err := r.IAM().RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &t.ID, RoleName: &role})
		if err != nil && !hasCode(err, "NoSuchEntity") {
			return err
		}
	}
	_, err := r.IAM().DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &t.ID})
	return err
}

func findRoles(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error) {
	names := valuesOf(filters, "name")
	all := names == nil
	for p := iam.NewListRolesPaginator(r.IAM(), &iam.ListRolesInput{}); all && p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, mayList(err)
		}
		for _, role := range page.Roles {
			if name := aws.ToString(role.RoleName); strings.HasPrefix(name, ours) {
				names = append(names, name)
			}
		}
	}
	var out []*thing
	for _, name := range names {
		got, err := r.IAM().GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		if hasCode(err, "NoSuchEntity") {
			continue
		}
		if err != nil {
			return out, err
		}
		t := identity(name, got.Role.Tags)
		t.Created = aws.ToTime(got.Role.CreateDate)
		out = append(out, t)
	}
	return out, nil
}

// removeRole deletes a role with the policies in it.
func removeRole(ctx context.Context, r *Region, t *thing) error {
	list, err := r.IAM().ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &t.ID})
	if err != nil {
		return err
	}
	for _, name := range list.PolicyNames {
		_, err := r.IAM().DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &t.ID, PolicyName: &name})
		if err != nil && !hasCode(err, "NoSuchEntity") {
			return err
		}
	}
	_, err = r.IAM().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &t.ID})
	return err
}

func identity(name string, tags []iamtypes.Tag) *thing {
	t := &thing{Resource: journal.Resource{ID: name, Name: name, Tags: map[string]string{}}}
	for _, tag := range tags {
		t.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	t.Build = t.Tags[tagBuild]
	return t
}

// mayList takes it as an empty list where the account's identities may not be
// listed: then no build has made any.
func mayList(err error) error {
	if hasCode(err, "AccessDenied", "AccessDeniedException") {
		return nil
	}
	return err
}
