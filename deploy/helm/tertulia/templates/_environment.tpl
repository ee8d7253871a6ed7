{{/* One setting from a Secret: dict "root" $ "name" "TERTULIA_STORE" "from" .Values.secrets.store */}}
{{- define "tertulia.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ default .root.Values.secrets.name .from.name }}
      key: {{ .from.key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* A value as a setting's variable takes it. YAML's numbers arrive as floating point, which would
be written as 9.4e+06. */}}
{{- define "tertulia.value" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* A tree of settings as variables: dict "prefix" "TERTULIA" "tree" .Values.settings */}}
{{- define "tertulia.variables" -}}
{{- $between := ternary "_" "__" (eq .prefix "TERTULIA") -}}
{{- $prefix := .prefix -}}
{{- range $name, $value := .tree }}
{{- $variable := printf "%s%s%s" $prefix $between (upper $name) }}
{{- if kindIs "map" $value }}
{{- include "tertulia.variables" (dict "prefix" $variable "tree" $value) }}
{{- else }}
- name: {{ $variable }}
  value: {{ include "tertulia.value" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "tertulia.modelServers" -}}
{{- $servers := .Values.modelServers }}
{{- if .Values.vllm.enabled }}
{{- $url := printf "http://%s-vllm:8000/v1" (include "tertulia.fullname" .) }}
{{- $options := dict "context_window" .Values.vllm.maxModelLen "prefill" true "capable" true }}
{{- $servers = append $servers (dict "name" "vllm" "baseUrl" $url "options" $options) }}
{{- end }}
{{- range $index, $server := $servers }}
{{- $prefix := printf "TERTULIA_MODELS__SERVERS__%d" $index }}
- name: {{ $prefix }}__NAME
  value: {{ $server.name | quote }}
- name: {{ $prefix }}__BASE_URL
  value: {{ $server.baseUrl | quote }}
{{- with $server.apiKey }}
{{ include "tertulia.secret" (dict "root" $ "name" (printf "%s__API_KEY" $prefix) "from" .) }}
{{- end }}
{{- with $server.options }}
{{- include "tertulia.variables" (dict "prefix" $prefix "tree" .) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What api, worker and migration are told alike. */}}
{{- define "tertulia.environment" -}}
{{- range $name, $from := dict "STORE" "store" "QUEUE" "queue" "EVENTLOG" "eventlog" "CACHE" "cache" "KEYS" "keys" "SECRET" "secret" "MASTER_KEY" "masterKey" }}
{{ include "tertulia.secret" (dict "root" $ "name" (printf "TERTULIA_%s" $name) "from" (get $.Values.secrets $from)) }}
{{- end }}
{{ include "tertulia.secret" (dict "root" $ "name" "TERTULIA_METRICS_TOKEN" "from" .Values.secrets.metricsToken "optional" true) }}
- name: TERTULIA_DATA
  value: /var/lib/tertulia
- name: TERTULIA_HOST
  value: 0.0.0.0
- name: TERTULIA_MODELS__LOCAL
  value: ""
- name: TERTULIA_MODELS__DISCOVER
  value: "false"
{{- include "tertulia.variables" (dict "prefix" "TERTULIA" "tree" .Values.settings) }}
{{- include "tertulia.modelServers" . }}
{{- end -}}
