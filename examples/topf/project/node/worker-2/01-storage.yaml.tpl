apiVersion: v1alpha1
kind: UserVolumeConfig
name: storage
provisioning:
  diskSelector:
    match: disk.dev_path == '{{ .Node.Data.storageDevice }}'
  minSize: 100GiB
