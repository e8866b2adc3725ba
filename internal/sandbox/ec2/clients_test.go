package ec2

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// environ is that of a client in a process of its own.
func (c *cloud) environ() []string {
	return append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+testKey, "AWS_SECRET_ACCESS_KEY="+testSecret, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+c.url, "SANDBOX="+c.url, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
}

// The AWS CLI launches, describes, bakes, copies, deregisters and terminates.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("cannot run here: the AWS CLI is not installed (Debian package awscli)")
	}
	c := newCloud(t)
	aws := func(query string, args ...string) string {
		t.Helper()
		args = append([]string{"--endpoint-url", c.url, "--output", "json", "--query", query}, args...)
		cmd := exec.Command("aws", args...)
		cmd.Env = c.environ()
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("aws %v: %v\n%s", args, err, stderr.String())
		}
		var text string
		if err := json.Unmarshal(out, &text); err != nil {
			t.Fatalf("aws %v: %s: %v", args, out, err)
		}
		return text
	}
	if got := aws("Account", "sts", "get-caller-identity"); got != account {
		t.Error("account:", got)
	}
	source := aws("Images[0].ImageId", "ec2", "describe-images", "--owners", "amazon", "--filters", "Name=name,Values=al2023-ami-*", "Name=architecture,Values="+hostArch())
	id := aws("Instances[0].InstanceId", "ec2", "run-instances", "--image-id", source, "--instance-type", "t3.micro",
		"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=cli}]",
		"--block-device-mappings", "DeviceName=/dev/xvdf,Ebs={VolumeSize=1,DeleteOnTermination=true}")
	c.wait(id, "running")
	if got := aws("Reservations[0].Instances[0].Tags[0].Value", "ec2", "describe-instances", "--filters", "Name=tag:Name,Values=c?i"); got != "cli" {
		t.Error("tag:", got)
	}
	ami := aws("ImageId", "ec2", "create-image", "--instance-id", id, "--name", "cli")
	c.available(c.Client, ami)
	other := aws("ImageId", "ec2", "copy-image", "--region", "eu-west-1", "--source-region", "us-east-1", "--source-image-id", ami, "--name", "cli")
	if got := aws("Images[0].Name", "ec2", "describe-images", "--region", "eu-west-1", "--owners", "self"); got != "cli" {
		t.Error("copy:", got)
	}
	for region, id := range map[string]string{"us-east-1": ami, "eu-west-1": other} {
		client := c.in(region)
		snaps := c.available(client, id).BlockDeviceMappings
		aws("'done'", "ec2", "deregister-image", "--region", region, "--image-id", id)
		for _, d := range snaps {
			aws("'done'", "ec2", "delete-snapshot", "--region", region, "--snapshot-id", *d.Ebs.SnapshotId)
		}
	}
	if got := aws("TerminatingInstances[0].PreviousState.Name", "ec2", "terminate-instances", "--instance-ids", id); got != "running" {
		t.Error("state before:", got)
	}
	c.wait(id, "terminated")
	c.empty()
}

// The same with boto3, with its waiters and paginators.
const bake = `
import boto3, os
from botocore.exceptions import ClientError
ec2 = boto3.client("ec2", endpoint_url=os.environ["SANDBOX"])
sts = boto3.client("sts", endpoint_url=os.environ["SANDBOX"])
assert sts.get_caller_identity()["Account"] == "123456789012"
key = ec2.create_key_pair(KeyName="boto")["KeyMaterial"]
assert "RSA PRIVATE KEY" in key
group = ec2.create_security_group(GroupName="boto", Description="boto")["GroupId"]
ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
try:
    ec2.run_instances(ImageId="ami-0123456789abcdef0", InstanceType="t3.micro", MinCount=1, MaxCount=1, DryRun=True)
    assert False
except ClientError as e:
    assert e.response["Error"]["Code"] == "DryRunOperation", e
ids = [i["InstanceId"] for i in ec2.run_instances(ImageId="ami-0123456789abcdef0", InstanceType="t3.micro", MinCount=6, MaxCount=6,
    KeyName="boto", SecurityGroupIds=[group], UserData="#!/bin/sh\ntrue\n")["Instances"]]
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
assert len(pages) == 2, pages
found = [i["InstanceId"] for p in pages for r in p["Reservations"] for i in r["Instances"]]
assert sorted(found) == sorted(ids), found
ami = ec2.create_image(InstanceId=ids[0], Name="boto")["ImageId"]
ec2.get_waiter("image_available").wait(ImageIds=[ami], WaiterConfig={"Delay": 1})
copy = ec2.copy_image(Name="boto-2", SourceImageId=ami, SourceRegion="us-east-1")["ImageId"]
ec2.get_waiter("image_available").wait(ImageIds=[copy], WaiterConfig={"Delay": 1})
ec2.terminate_instances(InstanceIds=ids)
ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
for image in ec2.describe_images(Owners=["self"])["Images"]:
    ec2.deregister_image(ImageId=image["ImageId"])
for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
ec2.delete_security_group(GroupId=group)
ec2.delete_key_pair(KeyName="boto")
assert ec2.describe_images(Owners=["self"])["Images"] == []
`

func TestBoto3(t *testing.T) {
	t.Parallel()
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import boto3").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("cannot run here: boto3 is not installed (Debian package python3-boto3)")
	}
	c := newCloud(t)
	cmd := exec.Command(python, "-c", bake)
	cmd.Env = c.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	c.empty()
}
