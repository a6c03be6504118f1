{{- define "signet.name" -}}
{{- default .Release.Name .Values.name -}}
{{- end -}}

{{- define "signet.labels" -}}
app.kubernetes.io/part-of: signet
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* A store of the dev profile: the dict has root, store. */}}
{{- define "signet.dev.selector" -}}
app.kubernetes.io/name: signet-dev-{{ .store }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "signet.dev.name" -}}
{{ include "signet.name" .root }}-dev-{{ .store }}
{{- end -}}

{{/* URLs of the dev profile's stores. */}}
{{- define "signet.dev.stores" -}}
{{- $at := printf "%s-dev" (include "signet.name" .) -}}
inbox: {url: "cassandra://{{ $at }}-cassandra:9042/signet?dc=datacenter1&replication=1"}
directory: {url: "postgresql://signet@{{ $at }}-postgres:5432/signet"}
members: {url: "redis://{{ $at }}-valkey:6379/0"}
presence: {url: "redis://{{ $at }}-valkey:6379/1"}
limits: {url: "redis://{{ $at }}-valkey:6379/2"}
events: {url: "kafka://{{ $at }}-kafka:9092?partitions=4&replicas=1"}
{{- end -}}

{{/* The spec with what the chart adds. */}}
{{- define "signet.spec" -}}
{{- $spec := deepCopy .Values.spec -}}
{{- if not (hasKey $spec "version") -}}
{{- $_ := set $spec "version" .Chart.AppVersion -}}
{{- end -}}
{{- if .Values.dev.enabled -}}
{{- $stores := default (dict) $spec.stores -}}
{{- range $store, $at := include "signet.dev.stores" . | fromYaml -}}
{{- if not (hasKey $stores $store) -}}
{{- $_ := set $stores $store $at -}}
{{- end -}}
{{- end -}}
{{- $_ := set $spec "stores" $stores -}}
{{- if not (hasKey $spec "serverName") -}}
{{- $_ := set $spec "serverName" "localhost" -}}
{{- end -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end -}}
