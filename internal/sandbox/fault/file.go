package fault

import "github.com/hashicorp/hcl/v2/hclsimple"

// File is a fault file: HCL, or HCL's JSON where the name ends in ".json".
//
//	fault "ec2.RunInstances" {
//	  do   = "error"
//	  code = "InsufficientInstanceCapacity"
//	  nth  = 1
//	}
//	account {
//	  no_default_vpc = ["us-east-1"]
//	}
type File struct {
	Faults  []Rule   `hcl:"fault,block"`
	Account *Account `hcl:"account,block"`
}

// Load adds the rules of a file to the set.
func (s *Set) Load(name string) error {
	var f File
	if err := hclsimple.DecodeFile(name, nil, &f); err != nil {
		return err
	}
	if f.Account != nil {
		s.SetAccount(*f.Account)
	}
	return s.Add(f.Faults...)
}
