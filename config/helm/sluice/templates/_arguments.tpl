{{- define "sluice.arguments" -}}
{{- $c := .Values.controller -}}
{{- $name := include "sluice.fullname" . -}}
- serve
- --kubernetes
- --http=:{{ include "sluice.port" (dict "root" . "name" "http") }}
- --https=:{{ include "sluice.port" (dict "root" . "name" "https") }}
- --admin={{ $c.healthCheckHost }}:{{ $c.metrics.port }}
- --configmap=$(POD_NAMESPACE)/{{ $name }}
{{- range $transport := list "tcp" "udp" }}
{{- if get $.Values $transport }}
- --{{ $transport }}-services-configmap={{ include "sluice.streams" (dict "root" $ "transport" $transport) }}/{{ $name }}-{{ $transport }}
{{- end }}
{{- end }}
{{- with include "sluice.published" . }}
- --publish-service={{ . }}
{{- end }}
- --election-id={{ include "sluice.lease" . }}
{{- if $c.bufferVolume.enabled }}
- --buffer-directory=/var/cache/sluice
{{- end }}
{{- if $c.disableLeaderElection }}
- --disable-leader-election
{{- end }}
{{- if $c.reportNodeInternalIp }}
- --report-node-internal-ip-address
{{- end }}
{{- if $c.ingressClass }}
{{- include "sluice.flag" (dict "flag" "ingress-class" "value" $c.ingressClass) }}
{{- end }}
{{- if not (has $c.ingressClassResource.controllerValue (list "sluice.dev/ingress-controller" "k8s.io/ingress-nginx")) }}
- --controller-class={{ $c.ingressClassResource.controllerValue }}
{{- end }}
{{- if $c.watchIngressWithoutClass }}
- --watch-ingress-without-class
{{- end }}
{{- if $c.scope.enabled }}
- --watch-namespace={{ default "$(POD_NAMESPACE)" $c.scope.namespace }}
{{- end }}
{{- with $c.scope.namespaceSelector }}
{{- include "sluice.flag" (dict "flag" "watch-namespace-selector" "value" .) }}
{{- end }}
{{- if $c.admissionWebhooks.enabled }}
- --validating-webhook=:{{ $c.admissionWebhooks.port }}
- --validating-webhook-service={{ $name }}-webhook
- --validating-webhook-configuration={{ $name }}
{{- end }}
{{- if $c.admin.tokenSecret }}
- --admin-token-file=/etc/sluice/admin/token
{{- end }}
{{- if not (ternary (not $c.hostNetwork) $c.admin.trustLoopback (kindIs "invalid" $c.admin.trustLoopback)) }}
- --admin-trust-loopback=false
{{- end }}
{{- if ne $c.admin.pages "guarded" }}
- --admin-pages={{ $c.admin.pages }}
{{- end }}
{{- with $c.admin.hosts }}
{{- include "sluice.flag" (dict "flag" "admin-host" "value" .) }}
{{- end }}
{{- range $flag, $value := $c.extraArgs }}
{{- include "sluice.flag" (dict "flag" $flag "value" $value) }}
{{- end }}
{{- end -}}
