project_id   = "my-project"
zone         = "us-central1-a"
source_image = "debian-12-bookworm-v1"
ssh_username = "packer"
image_name   = "web-1"

machine_type        = "n1-standard-4"
min_cpu_platform    = "Intel Skylake"
accelerator_type    = "nvidia-tesla-t4"
accelerator_count   = 2
preemptible         = true
labels              = { team = "a" }
tags                = ["ssh", "build"]
resource_manager_tags = {
  "tagKeys/1" = "tagValues/2"
}
metadata = {
  one        = "1"
  "ssh-keys" = "other:ssh-ed25519 BBBB other"
}
metadata_files      = { two = "two.txt" }
startup_script_file = "startup.sh"
service_account_email = "builder@my-project.iam.gserviceaccount.com"
scopes              = ["https://www.googleapis.com/auth/cloud-platform"]
enable_nested_virtualization = true
enable_secure_boot  = true
enable_vtpm         = true
max_run_duration_in_seconds = 3600
instance_termination_action = "delete"

node_affinity {
  key      = "workload"
  operator = "IN"
  values   = ["images"]
}
reservation_affinity {
  consume_reservation_type = "SPECIFIC_RESERVATION"
  key                      = "compute.googleapis.com/reservation-name"
  values                   = ["mine"]
}

network            = "shared"
subnetwork         = "build"
network_project_id = "host-project"
network_ip         = "10.0.0.5"
address            = "build-address"
