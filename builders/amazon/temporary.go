package amazon

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/ssh"
)

// own returns the id of a thing that this session made already: the answer to
// an earlier try of the same request was lost.
func (s *stay) own(ctx context.Context, kind, name string) (string, error) {
	for _, stage := range sweepStages() {
		for _, k := range stage {
			if k.name != kind {
				continue
			}
			found, err := k.find(ctx, s.r, k.filters(journal.Resource{Name: name, Tags: s.marks}))
			if err != nil || len(found) == 0 {
				return "", err
			}
			return found[0].ID, nil
		}
	}
	return "", nil
}

// createNamed is create for a thing whose name is its identity: where it is
// taken, by one of this session's, that is it.
func (s *stay) createNamed(ctx context.Context, kind, name, taken string, call func(ctx context.Context) (string, error)) (string, error) {
	return s.create(ctx, kind, name, "", func(ctx context.Context) (string, error) {
		id, err := call(ctx)
		if !hasCode(err, taken) {
			return id, err
		}
		if mine, ferr := s.own(ctx, kind, name); ferr == nil && mine != "" {
			return mine, nil
		}
		return "", err
	})
}

// login returns the key to log in with, and the name of the key pair that the
// instance gets; a key is made and imported where nothing else is there.
func (s *stay) login(ctx context.Context) (key ssh.Key, pair string, err error) {
	if !s.wantsKey() {
		return ssh.Key{}, s.keys.KeypairName, nil
	}
	pair = s.keys.TemporaryKeyPairName
	if pair == "" {
		pair = s.name
	}
	if key, err = s.keys.NewKey(pair); err != nil {
		return ssh.Key{}, "", err
	}
	s.host.Secrets.Add(key.Private)
	s.env.Log.Say("Importing the temporary key pair: " + pair)
	_, err = s.createNamed(ctx, kindKeyPair, pair, "InvalidKeyPair.Duplicate", func(ctx context.Context) (string, error) {
		out, err := s.r.EC2.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{
			KeyName: &pair, PublicKeyMaterial: []byte(key.Authorized), TagSpecifications: tagSpec(types.ResourceTypeKeyPair, s.tags, s.marks),
		})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.KeyPairId), nil
	})
	return key, pair, s.r.explain(ctx, "import the key pair "+pair, err)
}

// group makes the security group that lets SSH or WinRM in.
func (s *stay) group(ctx context.Context, at site) ([]string, error) {
	if len(at.groups) > 0 {
		return at.groups, nil
	}
	s.env.Log.Say("Creating the temporary security group: " + s.name)
	id, err := s.createNamed(ctx, kindGroup, s.name, "InvalidGroup.Duplicate", func(ctx context.Context) (string, error) {
		out, err := s.r.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: &s.name, Description: aws.String("Temporary group of ingot"), VpcId: at.places[0].VpcId,
			TagSpecifications: tagSpec(types.ResourceTypeSecurityGroup, s.tags, s.marks),
		})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.GroupId), nil
	})
	if err != nil {
		return nil, s.r.explain(ctx, "create the security group", err)
	}
	if !s.reached() || s.network.SSHInterface == "session_manager" {
		return []string{id}, nil
	}
	permission := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(s.door())), ToPort: aws.Int32(int32(s.door()))} //nolint:gosec // a port
	for _, cidr := range at.cidrs {
		if isSix(cidr) {
			permission.Ipv6Ranges = append(permission.Ipv6Ranges, types.Ipv6Range{CidrIpv6: &cidr})
		} else {
			permission.IpRanges = append(permission.IpRanges, types.IpRange{CidrIp: &cidr})
		}
	}
	if s.network.SSHInterface == "ipv6" && len(s.network.TemporaryCIDRs) == 0 && !s.network.TemporaryPublicIP {
		permission.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}
	}
	err = eventually(ctx, func() error {
		_, err := s.r.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: &id, IpPermissions: []types.IpPermission{permission},
		})
		if hasCode(err, "InvalidPermission.Duplicate") {
			return nil
		}
		return err
	}, "InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidSecurityGroupID.NotFound")
	if err != nil {
		return nil, s.r.explain(ctx, fmt.Sprintf("let port %d into the security group %s", s.door(), id), err)
	}
	return []string{id}, nil
}
