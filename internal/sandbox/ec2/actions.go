package ec2

import "maps"

// ec2Actions returns the calls of EC2 that there are.
func (s *Server) ec2Actions() map[string]action {
	all := map[string]action{}
	for _, some := range []map[string]action{places(), access(), machines(), images(), disks(), fleets()} {
		maps.Copy(all, some)
	}
	return all
}

func places() map[string]action {
	return map[string]action{
		"DescribeRegions":               act(describeRegions),
		"DescribeAvailabilityZones":     act(describeZones),
		"DescribeVpcs":                  act(describeVpcs),
		"DescribeSubnets":               act(describeSubnets),
		"DescribeInstanceTypes":         act(describeTypes),
		"DescribeInstanceTypeOfferings": act(describeOfferings),
		"DescribeSpotPriceHistory":      act(spotPrices),
		"DescribeAccountAttributes":     act(accountAttributes),
		"GetEbsEncryptionByDefault":     act(encryptionByDefault),
	}
}

func access() map[string]action {
	return map[string]action{
		"DescribeSecurityGroups":        act(describeGroups),
		"CreateSecurityGroup":           act(createGroup),
		"DeleteSecurityGroup":           act(deleteGroup),
		"AuthorizeSecurityGroupIngress": act(authorizeIngress),
		"RevokeSecurityGroupIngress":    act(revokeIngress),
		"CreateKeyPair":                 act(createKeyPair),
		"ImportKeyPair":                 act(importKeyPair),
		"DeleteKeyPair":                 act(deleteKeyPair),
		"DescribeKeyPairs":              act(describeKeyPairs),
		"CreateTags":                    act(createTags),
		"DeleteTags":                    act(deleteTags),
		"DescribeTags":                  act(describeTags),
	}
}

func machines() map[string]action {
	return map[string]action{
		"RunInstances":                         act(runInstances),
		"DescribeInstances":                    act(describeInstances),
		"DescribeInstanceStatus":               act(describeStatus),
		"DescribeInstanceAttribute":            act(describeInstanceAttribute),
		"DescribeInstanceCreditSpecifications": act(describeCredits),
		"ModifyInstanceAttribute":              act(modifyInstanceAttribute),
		"ModifyInstanceMetadataOptions":        act(modifyMetadataOptions),
		"StartInstances":                       act(startInstances),
		"StopInstances":                        act(stopInstances),
		"RebootInstances":                      act(rebootInstances),
		"TerminateInstances":                   act(terminateInstances),
		"GetConsoleOutput":                     act(consoleOutput),
		"GetPasswordData":                      act(passwordData),
	}
}

func images() map[string]action {
	return map[string]action{
		"DescribeImages":                       act(describeImages),
		"DescribeImageAttribute":               act(describeImageAttribute),
		"CreateImage":                          act(createImage),
		"RegisterImage":                        act(registerImage),
		"CopyImage":                            act(copyImage),
		"DeregisterImage":                      act(deregisterImage),
		"ModifyImageAttribute":                 act(modifyImageAttribute),
		"ResetImageAttribute":                  act(resetImageAttribute),
		"EnableImageDeprecation":               act(enableDeprecation),
		"DisableImageDeprecation":              act(disableDeprecation),
		"EnableImageDeregistrationProtection":  act(enableProtection),
		"DisableImageDeregistrationProtection": act(disableProtection),
		"EnableFastLaunch":                     act(enableFastLaunch),
		"DisableFastLaunch":                    act(disableFastLaunch),
		"DescribeFastLaunchImages":             act(describeFastLaunch),
		"ImportImage":                          act(importImage),
		"DescribeImportImageTasks":             act(describeImports),
		"CancelImportTask":                     act(cancelImport),
	}
}

func disks() map[string]action {
	return map[string]action{
		"CreateVolume":              act(createVolume),
		"AttachVolume":              act(attachVolume),
		"DetachVolume":              act(detachVolume),
		"DeleteVolume":              act(deleteVolume),
		"DescribeVolumes":           act(describeVolumes),
		"CreateSnapshot":            act(createSnapshot),
		"CreateSnapshots":           act(createSnapshots),
		"CopySnapshot":              act(copySnapshot),
		"DeleteSnapshot":            act(deleteSnapshot),
		"DescribeSnapshots":         act(describeSnapshots),
		"ModifySnapshotAttribute":   act(modifySnapshotAttribute),
		"ResetSnapshotAttribute":    act(resetSnapshotAttribute),
		"DescribeSnapshotAttribute": act(describeSnapshotAttribute),
	}
}

func fleets() map[string]action {
	return map[string]action{
		"CreateLaunchTemplate":           act(createTemplate),
		"CreateLaunchTemplateVersion":    act(createVersion),
		"DescribeLaunchTemplates":        act(describeTemplates),
		"DescribeLaunchTemplateVersions": act(describeVersions),
		"DeleteLaunchTemplate":           act(deleteTemplate),
		"CreateFleet":                    act(createFleet),
		"DescribeFleets":                 act(describeFleets),
		"DescribeFleetInstances":         act(describeFleetInstances),
		"DeleteFleets":                   act(deleteFleets),
		"DescribeSpotInstanceRequests":   act(describeSpotRequests),
		"CancelSpotInstanceRequests":     act(cancelSpotRequests),
	}
}
