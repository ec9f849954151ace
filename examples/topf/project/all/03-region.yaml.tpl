machine:
  nodeLabels:
    topology.kubernetes.io/region: {{ .Data.region | quote }}
