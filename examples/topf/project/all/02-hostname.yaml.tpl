{{- /* TOPF does not set the hostname by itself */ -}}
apiVersion: v1alpha1
kind: HostnameConfig
auto: "off"
hostname: {{ .Node.Host }}
