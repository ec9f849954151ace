# What a project with the Talos provider looks like: secrets in the state, patches from templates, one configuration per
# machine. The last resource writes them for bootgrant, encrypted.
terraform {
  required_providers {
    talos = { source = "siderolabs/talos" }
    local = { source = "hashicorp/local" }
  }
}

variable "age_recipient" { type = string }

locals {
  endpoint = "https://terraform.example.org:6443"
  machines = {
    cp-1     = { type = "controlplane", address = "203.0.113.11/24" }
    worker-1 = { type = "worker", address = "203.0.113.21/24" }
  }
}

resource "talos_machine_secrets" "this" { talos_version = "v1.13.3" }

data "talos_machine_configuration" "this" {
  for_each         = local.machines
  cluster_name     = "terraform"
  cluster_endpoint = local.endpoint
  machine_type     = each.value.type
  machine_secrets  = talos_machine_secrets.this.machine_secrets
  talos_version    = "v1.13.3"
  docs             = false
  examples         = false
  config_patches = [
    templatefile("${path.module}/patches/node.yaml.tftpl", { hostname = each.key, address = each.value.address }),
  ]
}

resource "terraform_data" "for_bootgrant" {
  for_each         = data.talos_machine_configuration.this
  triggers_replace = sha256(each.value.machine_configuration)
  provisioner "local-exec" {
    command     = "printf %s \"$CONFIG\" | age --armor -r ${var.age_recipient} -o machines/finished/${each.key}.yaml.age"
    environment = { CONFIG = each.value.machine_configuration }
  }
}
