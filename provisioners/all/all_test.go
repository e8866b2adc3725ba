package all

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// options are the options that Packer 1.16 has, and those of the provisioners
// that are ours: sbom and expect.
var options = map[string]string{
	"sbom":   "destination formats sbom_name source",
	"expect": "command file group kernel_param mount package port process run_as service start user within",
	"shell": "binary env env_var_format environment_vars execute_command expect_disconnect inline inline_shebang pause_after " +
		"remote_file remote_folder remote_path script scripts skip_clean start_retry_timeout use_env_var_file valid_exit_codes",
	"shell-local": "command env env_var_format environment_vars execute_command inline inline_shebang only_on script scripts " +
		"tempfile_extension use_linux_pathing valid_exit_codes",
	"file": "content destination direction generated source sources",
	"ansible": "ansible_env_vars ansible_proxy_key_type ansible_ssh_extra_args ansible_winrm_use_http collections_path command empty_groups " +
		"extra_arguments galaxy_command galaxy_file galaxy_force_install galaxy_force_with_deps groups host_alias inventory_directory " +
		"inventory_file inventory_file_template keep_inventory_file local_port playbook_file roles_path sftp_command skip_version_check " +
		"ssh_authorized_key_file ssh_host_key_file use_proxy use_sftp user",
	"ansible-local": "clean_staging_directory collection_paths command extra_arguments galaxy_collections_path galaxy_command galaxy_file " +
		"galaxy_force_install galaxy_roles_path group_vars host_vars inventory_file inventory_groups playbook_dir playbook_file playbook_files " +
		"playbook_paths role_paths staging_directory",
	"breakpoint": "disable note",
	"sleep":      "duration",
	"hcp-sbom":   "auto_generate destination elevated_password elevated_user execute_command sbom_name scan_path scanner_args scanner_checksum scanner_url source",
	"powershell": "binary debug_mode elevated_env_var_format elevated_execute_command elevated_password elevated_user env env_var_format " +
		"environment_vars execute_command execution_policy inline pause_after remote_env_var_path remote_path script scripts skip_clean " +
		"start_retry_timeout use_pwsh valid_exit_codes",
	"windows-shell":   "binary env env_var_format environment_vars execute_command inline remote_path script scripts start_retry_timeout valid_exit_codes",
	"windows-restart": "check_registry registry_keys restart_check_command restart_command restart_timeout",
	"puppet-masterless": "clean_staging_directory elevated_password elevated_user execute_command extra_arguments facter guest_os_type " +
		"hiera_config_path ignore_exit_codes manifest_dir manifest_file module_paths prevent_sudo puppet_bin_dir staging_directory working_directory",
	"puppet-server": "clean_staging_directory client_cert_path client_private_key_path elevated_password elevated_user execute_command " +
		"extra_arguments facter guest_os_type ignore_exit_codes prevent_sudo puppet_bin_dir puppet_node puppet_server staging_dir " +
		"staging_directory working_directory", // staging_directory is ours, as the others call it so
	"salt-masterless": "bootstrap_args custom_state disable_sudo formulas grains_file guest_os_type local_pillar_roots local_state_tree " +
		"log_level minion_config no_exit_on_failure remote_pillar_roots remote_state_tree salt_bin_dir salt_call_args skip_bootstrap temp_config_dir",
	"chef-solo": "chef_environment chef_license config_template cookbook_paths data_bags_path encrypted_data_bag_secret_path environments_path " +
		"execute_command guest_os_type install_command json json_string prevent_sudo remote_cookbook_paths roles_path run_list skip_install " +
		"staging_directory version",
	"chef-client": "chef_environment chef_license client_key config_template elevated_password elevated_user encrypted_data_bag_secret_path " +
		"execute_command guest_os_type install_command json json_string knife_command node_name policy_group policy_name prevent_sudo run_list " +
		"server_url skip_clean_client skip_clean_node skip_clean_staging_directory skip_install ssl_verify_mode staging_directory " +
		"trusted_certs_dir validation_client_name validation_key_path version",
}

func TestOptions(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	var types []string
	for _, d := range List() {
		got[d.Type] = strings.Join(component.SchemaOf(d.New()).Names(), " ")
		types = append(types, d.Type)
	}
	if diff := cmp.Diff(options, got); diff != "" {
		t.Errorf("options (-Packer +ours):\n%s", diff)
	}
	if !slices.IsSorted(types) {
		t.Errorf("the list is not sorted: %v", types)
	}
}

// decode decodes the one provisioner of a template, where var.password is
// sensitive.
func decode(t *testing.T, text string) (provisioners.Provisioner, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "t.pkr.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "provisioner", LabelNames: []string{"type"}}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	block := content.Blocks[0]
	i := slices.IndexFunc(List(), func(d provisioners.Definition) bool { return d.Type == block.Labels[0] })
	p := List()[i].New()
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
		"password": cty.StringVal(provisionertest.Secret).Mark(component.Sensitive),
	})}}
	var d component.Decoder
	_, diags = d.Decode(component.Input{What: "provisioner", Parts: []component.Part{{Body: block.Body, Context: ctx}}}, p)
	return p, diags
}

const names = `  INGOT_BUILDER_TYPE=docker
  INGOT_BUILD_NAME=web
  PACKER_BUILDER_TYPE=docker
  PACKER_BUILD_NAME=web
`

func TestTemplates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "setup.sh"), []byte("#!/bin/bash\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"shell", `provisioner "shell" {
  environment_vars = ["TOKEN=${var.password}", "A=b"]
  env              = { A = "c" }
  execute_command  = "echo '${var.password}' | sudo -S env {{ .Vars }} {{ .Path }}"
  scripts          = ["setup.sh"]
  valid_exit_codes = [0, "7"]
  start_retry_timeout = "1m"
  pause_after = "10s"
}`, `
exec ["/bin/sh" "/tmp/command_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
  input /tmp/command_SCRATCH_2_0.sh 0700, sensitive
    echo 'hunter2' | sudo -S env A='c' INGOT_BUILDER_TYPE='docker' INGOT_BUILD_NAME='web' PACKER_BUILDER_TYPE='docker' PACKER_BUILD_NAME='web' TOKEN='hunter2'  /tmp/script_SCRATCH_2_0.sh
  ok [0 7]
  start within 1m0s
pause 10s ""
`},
		{"shell-local", `provisioner "shell-local" {
  inline = ["login ${var.password}", "true"]
  only_on = ["linux", "darwin"]
  tempfile_extension = "sh"
}`, `
local ["LOCALDIR/script.sh"] in DIR
` + names + `  input LOCALDIR/script.sh 0700, sensitive
    #!/bin/sh -e
    login hunter2
    true
`},
		{"file", `provisioner "file" {
  content     = ""
  destination = "/etc/empty"
}`, `
put
  file /etc/empty 0644
    
`},
		{"sleep", `provisioner "sleep" {
  duration = "1m30s"
}`, "pause 1m30s \"\"\n"},
		{"breakpoint", `provisioner "breakpoint" {
  disable = false
  note    = "here"
}`, "pause 0s \"Stopped at a breakpoint: here.\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, diags := decode(t, tt.text)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			provisionertest.Lowers(t, p, dir, tt.want)
		})
	}
}

func TestRefusedByName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`provisioner "shell-local" { use_linux_pathing = true }`: `"use_linux_pathing" is not supported`,
		`provisioner "shell" { inlin = ["true"] }`:               `"inline"`,
		`provisioner "file" { source = "x" }`:                    `Missing option "destination"`,
		`provisioner "sleep" { duration = 5 }`:                   `needs a duration`,
	} {
		if _, diags := decode(t, text); !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", text, diags)
		}
	}
}

// The same template in another folder has the same key.
func TestKeyKnowsNoFolder(t *testing.T) {
	t.Parallel()
	hash := func(dir, text string) string {
		for _, name := range []string{"setup.sh", "d/x"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("#!/bin/bash\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		p, diags := decode(t, text)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		ops, err := p.Lower(provisionertest.Input(dir))
		if err != nil {
			t.Fatal(err)
		}
		return string(op.Hash(ops))
	}
	for _, text := range []string{
		`provisioner "shell" { script = "setup.sh" }`,
		`provisioner "shell-local" { script = "setup.sh" }`,
		"provisioner \"file\" {\n source = \"d\"\n destination = \"/srv\"\n}",
		"provisioner \"file\" {\n source = \"setup.sh\"\n destination = \"/srv/\"\n}",
	} {
		here, elsewhere := t.TempDir(), t.TempDir()
		if hash(here, text) != hash(elsewhere, text) {
			t.Errorf("the key depends on the folder: %s", text)
		}
	}
}
