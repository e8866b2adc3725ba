project_id          = "my-project"
zone                = "us-central1-a"
source_image_family = "debian-12"
communicator        = "none"
image_name          = "data-1"
max_lifetime        = "0s"
omit_external_ip    = true
disable_default_service_account = true

disk_name = "boot"
disk_size = 50
disk_type = "pd-ssd"
disk_encryption_key {
  kmsKeyName = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
}

disk_attachment {
  volume_type = "scratch"
  volume_size = 375
  interface_type = "nvme"
}
disk_attachment {
  volume_type   = "pd-balanced"
  volume_size   = 100
  disk_name     = "data"
  device_name   = "data"
  create_image  = true
  replica_zones = ["us-central1-f"]
  disk_encryption_key {
    rawKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
  }
}
disk_attachment {
  volume_type  = "pd-extreme"
  volume_size  = 500
  iops         = 20000
  keep_device  = true
  source_image = "projects/my-project/global/images/seed"
}
disk_attachment {
  source_volume   = "projects/my-project/zones/us-central1-a/disks/tools"
  attachment_mode = "READ_ONLY"
}

image_family             = "data"
image_description        = "Data"
image_labels             = { kind = "data" }
image_licenses           = ["projects/vm-options/global/licenses/enable-vmx"]
image_architecture       = "arm64"
image_guest_os_features  = ["GVNIC"]
image_project_id         = "images-project"
image_storage_locations  = ["us"]
image_encryption_key {
  kmsKeyName = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
}
image_platform_key            = "two.txt"
image_key_exchange_key        = ["cert.pem"]
image_signatures_db           = ["cert.pem"]
image_forbidden_signatures_db = ["two.txt"]
