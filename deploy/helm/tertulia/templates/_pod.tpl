{{/* What every pod of ours has: no rights, no token, no writable file but in two empty folders. */}}
{{- define "tertulia.podSecurity" -}}
automountServiceAccountToken: false
# A Service of this name would make the cluster set TERTULIA_PORT to its address.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "tertulia.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "tertulia.mounts" -}}
volumeMounts:
  - name: data
    mountPath: /var/lib/tertulia
  - name: tmp
    mountPath: /tmp
{{- end -}}

{{- define "tertulia.volumes" -}}
volumes:
  - name: data
    emptyDir:
      sizeLimit: 1Gi
  - name: tmp
    emptyDir:
      sizeLimit: 1Gi
{{- end -}}

{{/* `readyz` fails while a service is away, which is no reason to restart: `healthz` never does. */}}
{{- define "tertulia.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* Where the pods go: dict "root" $ "part" "api" */}}
{{- define "tertulia.placement" -}}
{{- $own := get .root.Values .part -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "tertulia.selector" $ | nindent 8 }}
  {{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A Deployment of ours: dict "root" $ "part" "api" "port" 8484 "environment" (rendered) */}}
{{- define "tertulia.deployment" -}}
{{- $own := get .root.Values .part -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "tertulia.fullname" .root }}-{{ .part }}
  labels:
    {{- include "tertulia.labels" . | nindent 4 }}
spec:
  {{- if not $own.autoscaling.enabled }}
  replicas: {{ $own.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "tertulia.selector" . | nindent 6 }}
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels:
        {{- include "tertulia.labels" . | nindent 8 }}
      {{- with $own.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "tertulia.fullname" .root }}-{{ .part }}
      {{- include "tertulia.podSecurity" .root | nindent 6 }}
      # Longer than all that is done within it: out of the Service, drained, connections ended.
      terminationGracePeriodSeconds: {{ add .root.Values.preStopSeconds $own.graceSeconds 15 }}
      {{- include "tertulia.placement" . | nindent 6 }}
      containers:
        - name: {{ .part }}
          image: {{ include "tertulia.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [{{ .part }}]
          {{- include "tertulia.containerSecurity" .root | nindent 10 }}
          env:
            {{- include "tertulia.environment" .root | trim | nindent 12 }}
            - name: TERTULIA_PORT
              value: {{ .port | quote }}
            - name: TERTULIA_TURNS__GRACE_SECONDS
              value: {{ int64 $own.graceSeconds | quote }}
            {{- with .environment }}
            {{- . | nindent 12 }}
            {{- end }}
          ports:
            - name: http
              containerPort: {{ .port }}
          {{- include "tertulia.probes" .root | nindent 10 }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ .root.Values.preStopSeconds }}
          resources:
            {{- toYaml $own.resources | nindent 12 }}
          {{- include "tertulia.mounts" .root | nindent 10 }}
      {{- include "tertulia.volumes" .root | nindent 6 }}
{{- end -}}
