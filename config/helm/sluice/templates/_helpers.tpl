{{/* Names */}}
{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $whole .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "sluice.account" -}}
{{- default (ternary (include "sluice.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "sluice.lease" -}}
{{- default (printf "%s-leader" (include "sluice.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A value as text of a ConfigMap, quoted. Numbers of a values file are floats, and 1728000 would become 1.728e+06. */}}
{{- define "sluice.text" -}}
{{ ternary (. | toJson) (toString .) (kindIs "float64" .) | quote }}
{{- end -}}

{{/* metadata: (dict "root" $ "name" … "labels" … "annotations" … "cluster" true, where these are wanted) */}}
{{- define "sluice.metadata" -}}
metadata:
  name: {{ .name }}
  {{- if not .cluster }}
  namespace: {{ default (include "sluice.namespace" .root) .namespace }}
  {{- end }}
  labels: {{- merge (dict) (default dict .labels) (include "sluice.labels" .root | fromYaml) | toYaml | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The binding of a role to the account of the pods: (dict "root" $ "kind" "Role" "name" … "namespace" …) */}}
{{- define "sluice.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
{{ include "sluice.metadata" (dict "root" .root "name" .name "namespace" .namespace "cluster" (eq .kind "ClusterRole")) }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "sluice.account" .root }}
  namespace: {{ include "sluice.namespace" .root }}
{{- end -}}

{{/* What follows from several values */}}
{{- define "sluice.image" -}}
{{- $i := .Values.controller.image -}}
{{- $registry := default .Values.global.image.registry $i.registry -}}
{{- $place := default (ternary (printf "%s/%s" $registry $i.image) $i.image (ne $registry "")) $i.repository -}}
{{- $place }}{{ with $i.tag }}:{{ . }}{{ end }}{{ with $i.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "sluice.port" -}}
{{- $usual := ternary (dict "http" 80 "https" 443) (dict "http" 8080 "https" 8443) .root.Values.controller.hostNetwork -}}
{{- get (merge (dict) .root.Values.controller.containerPort $usual) .name -}}
{{- end -}}

{{/* The name of a port that leads to a Service: (dict "root" $ "port" "5432" "transport" "tcp") */}}
{{- define "sluice.stream" -}}
{{- with .root.Values.portNamePrefix }}{{ . }}-{{ end }}{{ .port }}-{{ .transport -}}
{{- end -}}

{{/* Where the ConfigMap of such ports is: (dict "root" $ "transport" "tcp") */}}
{{- define "sluice.streams" -}}
{{- default (include "sluice.namespace" .root) (get .root.Values.controller .transport).configMapNamespace -}}
{{- end -}}

{{/* The Service whose addresses are published: empty when those of the nodes are. */}}
{{- define "sluice.published" -}}
{{- $c := .Values.controller -}}
{{- if $c.publishService.enabled -}}
{{- if $c.publishService.pathOverride -}}
{{- $c.publishService.pathOverride -}}
{{- else if and $c.service.enabled $c.service.external.enabled -}}
$(POD_NAMESPACE)/{{ include "sluice.fullname" . }}
{{- else if and $c.service.enabled $c.service.internal.enabled -}}
$(POD_NAMESPACE)/{{ include "sluice.fullname" . }}-internal
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sluice.autoscaled" -}}
{{- if and (eq .Values.controller.kind "Deployment") .Values.controller.autoscaling.enabled }}true{{ end -}}
{{- end -}}

{{/* (dict "flag" NAME "value" …) as an argument, as several for a list; true and null as the flag alone. */}}
{{- define "sluice.flag" -}}
{{- if kindIs "slice" .value }}
{{- range .value }}
- {{ printf "--%s=%v" $.flag . | quote }}
{{- end }}
{{- else if or (kindIs "invalid" .value) (eq (toString .value) "") }}
- {{ printf "--%s" .flag | quote }}
{{- else if kindIs "float64" .value }}
- {{ printf "--%s=%s" .flag (.value | toJson) | quote }}
{{- else }}
- {{ printf "--%s=%v" .flag .value | quote }}
{{- end }}
{{- end -}}
