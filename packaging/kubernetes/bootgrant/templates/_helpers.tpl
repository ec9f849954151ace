{{- define "bootgrant.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "bootgrant.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bootgrant.labels" -}}
{{ include "bootgrant.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "bootgrant.image" -}}
{{- $repository := required "image.repository: set it to the image that you built and pushed (docs/install/kubernetes.md)" .Values.image.repository -}}
{{- if .Values.image.digest }}{{ $repository }}@{{ .Values.image.digest }}{{ else }}{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "bootgrant.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "bootgrant.name" .) }}
{{- end }}

{{/* What cannot work is refused here, with what to do. */}}
{{- define "bootgrant.check" -}}
{{- if not .Values.publicUrl }}{{ fail "publicUrl: set it to the address where machines and people reach the service" }}{{ end }}
{{- if and (not .Values.database.url) (gt (int .Values.replicas) 1) }}{{ fail "replicas: SQLite has one server. Set replicas to 1, or database.url to your PostgreSQL" }}{{ end }}
{{- if and .Values.database.url (not .Values.codeKeySecret.name) }}{{ fail "codeKeySecret.name: the servers of one database share a code key. Create the secret, and name it here" }}{{ end }}
{{- $git := and (hasKey .Values.settings "git") (hasKey (get .Values.settings "git" | default dict) "url") }}
{{- $sources := 0 }}
{{- if .Values.machines.secret.name }}{{ $sources = add1 $sources }}{{ end }}
{{- if .Values.machines.existingClaim }}{{ $sources = add1 $sources }}{{ end }}
{{- if $git }}{{ $sources = add1 $sources }}{{ end }}
{{- if ne (int $sources) 1 }}{{ fail "machines: set exactly one of machines.secret.name, machines.existingClaim, and settings.git.url" }}{{ end }}
{{- range tuple "public_url" "listen" "data" "machines" "code_key_file" "database" }}
{{- if hasKey $.Values.settings . }}{{ fail (printf "settings.%s: the chart sets it; see values.yaml" .) }}{{ end }}
{{- end }}
{{- end }}

{{- define "bootgrant.settings" -}}
{{- $ours := dict "public_url" .Values.publicUrl "listen" "0.0.0.0:8080" "data" "/data/bootgrant" "machines" "/machines" }}
{{- if .Values.codeKeySecret.name }}{{ $_ := set $ours "code_key_file" "/etc/bootgrant/code-key/code.key" }}{{ end }}
{{- if .Values.database.url }}
{{- $database := dict "url" .Values.database.url }}
{{- if .Values.database.passwordSecret.name }}{{ $_ := set $database "password_file" "/etc/bootgrant/database/password" }}{{ end }}
{{- $_ := set $ours "database" $database }}
{{- end }}
{{- toToml (merge $ours (deepCopy .Values.settings)) }}
{{- end }}

{{- define "bootgrant.mounts" -}}
- {name: settings, mountPath: /etc/bootgrant/bootgrant.toml, subPath: bootgrant.toml, readOnly: true}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- if .Values.codeKeySecret.name }}
- {name: code-key, mountPath: /etc/bootgrant/code-key, readOnly: true}
{{- end }}
{{- if .Values.database.passwordSecret.name }}
- {name: database, mountPath: /etc/bootgrant/database, readOnly: true}
{{- end }}
{{- if or .Values.machines.secret.name .Values.machines.existingClaim }}
- {name: machines, mountPath: /machines, readOnly: true}
{{- end }}
{{- range .Values.secretFiles }}
- {name: secret-{{ .name }}, mountPath: /etc/bootgrant/secrets/{{ .name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "bootgrant.container" -}}
image: {{ include "bootgrant.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  {{- include "bootgrant.mounts" . | nindent 2 }}
{{- end }}
