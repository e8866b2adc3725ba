package all

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

// options are the options that Packer 1.16 and its docker and amazon plugins have.
var options = map[string]string{
	"amazon-import": "access_key ami_description ami_encrypt ami_groups ami_kms_key ami_name ami_org_arns ami_ou_arns ami_users " +
		"architecture assume_role aws_polling boot_mode custom_endpoint_ec2 decode_authorization_messages format imds_support " +
		"insecure_skip_tls_verify license_type max_retries mfa_code platform profile region role_name s3_bucket_name s3_encryption " +
		"s3_encryption_key s3_key_name secret_key shared_credentials_file skip_clean skip_credential_validation skip_metadata_api_check " +
		"tags token vault_aws_engine",
	"artifice":      "files",
	"checksum":      "checksum_types output",
	"compress":      "compression_level format output",
	"docker-import": "changes docker_path platform repository tag",
	"docker-push": "aws_access_key aws_force_use_public_ecr aws_profile aws_secret_key aws_token docker_path ecr_login " +
		"login login_password login_server login_username platform",
	"docker-save": "docker_path path",
	"docker-tag":  "docker_path force repository tag tags",
	"googlecompute-export": "access_token account_file credentials_file credentials_json custom_endpoints disk_size disk_type " +
		"impersonate_service_account machine_type network omit_external_ip paths scopes service_account_email source_image_family subnetwork " +
		"universe_domain vault_gcp_oauth_engine zone",
	"googlecompute-import": "access_token account_file bucket credentials_file credentials_json custom_endpoints gcs_object_name " +
		"image_architecture image_description image_family image_forbidden_signatures_db image_guest_os_features image_key_exchange_key " +
		"image_labels image_name image_platform_key image_signatures_db image_storage_locations impersonate_service_account project_id " +
		"scopes skip_clean universe_domain vault_gcp_oauth_engine",
	"manifest": "custom_data output strip_path strip_time",
	"provenance": "build_type fulcio_url key keyless_identity keyless_oidc_issuer only_builds output_dir provenance rekor_url sbom sbom_exclude " +
		"sbom_format sbom_scan_path sbom_scope signer signing_mode source_uri template trusted_root_path upload_tlog user_variables verifier",
	"shell-local": "command env env_var_format environment_vars execute_command inline inline_shebang only_on script scripts " +
		"tempfile_extension use_linux_pathing valid_exit_codes",
	"vagrant": "architecture compression_level include output override provider_override vagrantfile_template vagrantfile_template_generated",
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

// decode decodes and checks a post-processor.
func decode(t *testing.T, kind, text string) string {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "t.pkr.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	i := slices.IndexFunc(List(), func(d postprocessors.Definition) bool { return d.Type == kind })
	p := List()[i].New()
	var d component.Decoder
	if _, diags = d.Decode(component.Input{What: "post-processor", Parts: []component.Part{{Body: f.Body, Context: &hcl.EvalContext{}}}}, p); diags.HasErrors() {
		return diags.Error()
	}
	if err := p.Check(postprocessortest.Input(t.TempDir(), artifact.Artifact{})); err != nil {
		return err.Error()
	}
	return ""
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, text, want string }{
		{"manifest", "output = \"m.json\"\nstrip_path = true\ncustom_data = { a = 1 }", ""},
		{"checksum", "checksum_types = [\"sha256\"]\noutput = \"{{.BuildName}}.{{.ChecksumType}}\"", ""},
		{"checksum", `checksum_types = ["sha3"]`, `"sha3" is none of`},
		{"artifice", `files = ["*.img"]`, ""},
		{"artifice", "", `Missing option "files"`},
		{"shell-local", `inline = ["true"]`, ""},
		{"shell-local", "", "nothing to run"},
		{"docker-tag", "repository = \"acme/web\"\ntag = \"latest\"\nforce = true", ""},
		{"docker-push", "login = true\nlogin_username = \"me\"\nlogin_password = \"x\"\nlogin_server = \"ghcr.io\"", ""},
		{"docker-push", "ecr_login = true", `login_server: is needed with ecr_login`},
		{"docker-push", "ecr_login = true\nlogin_server = \"123456789012.dkr.ecr.eu-west-1.amazonaws.com\"\naws_profile = \"x\"", ""},
		{"compress", "output = \"a.zip\"\ncompression_level = 9", ""},
		{"compress", "format = \"rar\"", `"rar" is not known`},
		{"docker-import", "repository = \"acme/web\"\ntag = \"1\"\nchanges = [\"CMD a\"]\nplatform = \"linux/arm64\"", ""},
		{"vagrant", `override = { aws = { output = "{{.Provider}}.box", compression_level = 9 }, libvirt = { output = "x" } }`, ""},
		{"vagrant", `override = { aws = { outpt = "x" } }`, `"outpt"`},
		{"vagrant", `override = { aws = { output = "{{.Nope}}" } }`, "Nope"},
		{"amazon-import", "s3_bucket_name = \"acme\"\nformat = \"vhdx\"\nami_encrypt = true\nami_kms_key = \"k\"\nami_users = [\"111122223333\"]", ""},
		{"amazon-import", `format = "raw"`, `Missing option "s3_bucket_name"`},
		{"amazon-import", "s3_bucket_name = \"acme\"\nformat = \"qcow2\"", `format: "qcow2" is not one of ova, raw, vmdk, vhd, vhdx`},
		{"amazon-import", "s3_bucket_name = \"acme\"\ns3_encryption_key = \"k\"", `s3_encryption_key: needs s3_encryption`},
		{"amazon-import", "s3_bucket_name = \"acme\"\nami_kms_key = \"k\"", `ami_kms_key: needs ami_encrypt`},
		{"amazon-import", "s3_bucket_name = \"acme\"\nami_encrypt = true\nami_users = [\"111122223333\"]", `ami_encrypt: with the account's default key`},
		{"amazon-import", "s3_bucket_name = \"acme\"\narchitecture = \"arm64\"\nboot_mode = \"legacy-bios\"", `boot_mode: arm64`},
		{"amazon-import", "s3_bucket_name = \"acme\"\nami_name = \"a\"", `ami_name: "a" has 1 letters`},
		{"amazon-import", "s3_bucket_name = \"acme\"\ns3_key_name = \"{{nope}}\"", `s3_key_name: `},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"acme\"\nimage_name = \"web\"\nimage_architecture = \"arm64\"\ngcs_object_name = \"a.tar.gz\"", ""},
		{"googlecompute-export", "paths = [\"gs://acme/web.tar.gz\"]\nzone = \"europe-west1-b\"\nscopes = [\"cloud-platform\"]", ""},
		{"googlecompute-export", "", `Missing option "paths"`},
		{"googlecompute-export", "paths = [\"acme/web.tar.gz\"]", `paths: "acme/web.tar.gz" is not the path of an object`},
		{"googlecompute-export", "paths = [\"gs://a/b\", \"gs://a/b\"]", `paths: gs://a/b is given twice`},
		{"googlecompute-export", "paths = [\"gs://a/b\"]\nzone = \"europe\"", `zone: "europe" is not a zone`},
		{"googlecompute-export", "paths = [\"gs://a/b\"]\ndisk_size = 0", `disk_size: must be at least`},
		{"googlecompute-import", "project_id = \"p\"\nimage_name = \"web\"", `Missing option "bucket"`},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"gs://acme\"\nimage_name = \"web\"", `bucket: "gs://acme" is not the name of a bucket`},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"acme\"\nimage_name = \"Web\"", `image_name: "Web" is not a name`},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"acme\"\nimage_name = \"web\"\ngcs_object_name = \"web.raw\"", `gcs_object_name: must end with .tar.gz`},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"acme\"\nimage_name = \"web\"\nimage_architecture = \"mips\"", `image_architecture: "MIPS" is not one of`},
		{"googlecompute-import", "project_id = \"p\"\nbucket = \"acme\"\nimage_name = \"web\"\nimage_signatures_db = [\"no.pem\"]", `image_signatures_db: `},
		{"provenance", "", ""},
		{"provenance", "provenance = false\nbuild_type = \"x\"\noutput_dir = \"d\"\ntemplate = \"t\"\nonly_builds = [\"a.b\"]\nuser_variables = { a = \"b\" }\nsource_uri = \"u\"", ""},
		{"provenance", `sbom_format = "json"`, `sbom_format: "json" is not one of cyclonedx, spdx`},
		{"provenance", "sbom = true\nsbom_scope = \"some\"", `sbom_scope: "some" is not one of squashed, all-layers`},
		{"provenance", `sbom_scan_path = "."`, `sbom_scan_path: needs sbom = true`},
		{"provenance", `signing_mode = "kms"`, `signing_mode: "kms" is not supported`},
		{"provenance", `signing_mode = "keyless"`, `signing_mode: "keyless" is not supported`},
		{"provenance", `signing_mode = "key"`, `signer: is needed with signing_mode`},
		{"provenance", "signing_mode = \"key\"\nsigner = \"no.pem\"", `signer: open `},
		{"provenance", `key = "a.pem"`, `key: needs signing_mode = "key"`},
		{"provenance", "signing_mode = \"key\"\nsigner = \"a.pem\"\nkey = \"b.pem\"", `key: is another name of signer`},
		{"provenance", `fulcio_url = "https://fulcio.sigstore.dev"`, "fulcio_url"},
		{"provenance", `upload_tlog = true`, "upload_tlog"},
		{"docker-save", "path = \"web.tar\"\ndocker_path = \"podman\"", ""},
	} {
		if got := decode(t, tt.kind, tt.text); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s { %s }: got %q, want %q", tt.kind, tt.text, got, tt.want)
		}
	}
}
