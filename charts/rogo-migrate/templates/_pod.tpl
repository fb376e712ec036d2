{{/* The template of a pod, the same for all Jobs but for what its caller gives. */}}

{{/*
Arguments: ctx, component, epoch, job (its values: resources and scheduling), command (list), env (YAML, may be empty),
results (whether it writes results), token (whether it talks to the API server).
*/}}
{{- define "rogo-migrate.podTemplate" -}}
metadata:
  labels:
    {{- include "rogo-migrate.stableLabels" . | nindent 4 }}
    {{- include "rogo-migrate.templateLabels" . | nindent 4 }}
  annotations:
    {{- include "rogo-migrate.templateAnnotations" . | nindent 4 }}
spec:
  {{- include "rogo-migrate.podSpec" . | nindent 2 }}
{{- end -}}

{{/* Labels of pods beside the stable ones; those of `podLabels` win. A sidecar would outlive the program, and its Job never end. */}}
{{- define "rogo-migrate.templateLabels" -}}
{{- $labels := dict "sidecar.istio.io/inject" "false" -}}
{{- if .ctx.Values.workloadIdentity.enabled }}{{ $_ := set $labels "azure.workload.identity/use" "true" }}{{ end -}}
{{- omit (mergeOverwrite $labels .job.podLabels) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" | toYaml -}}
{{- end -}}

{{/* Annotations of pods; those of `podAnnotations` win. Neither autoscaler takes a node away under a pod that works. */}}
{{- define "rogo-migrate.templateAnnotations" -}}
{{- $annotations := dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" "karpenter.sh/do-not-disrupt" "true" "sidecar.istio.io/inject" "false" -}}
{{- mergeOverwrite $annotations .job.podAnnotations | toYaml -}}
{{- end -}}

{{- define "rogo-migrate.podSpec" -}}
{{- $values := .ctx.Values -}}
restartPolicy: Never
terminationGracePeriodSeconds: 30
serviceAccountName: {{ include "rogo-migrate.serviceAccountName" .ctx }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- if not $values.openshift }}
  runAsUser: {{ int64 $values.runAsUser }}
  runAsGroup: {{ int64 $values.runAsUser }}
  fsGroup: {{ int64 $values.runAsUser }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
dnsPolicy: {{ $values.dnsPolicy }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "rogo-migrate.scheduling" . }}
{{- with $values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "rogo-migrate.container" . | nindent 4 | trim }}
volumes:
  {{- include "rogo-migrate.volumes" . | nindent 2 }}
{{- end -}}

{{- define "rogo-migrate.scheduling" -}}
{{- with .job.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .job.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .job.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .job.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .job.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "rogo-migrate.stableLabels" $ | fromYaml)) }}
  - {{ merge (deepCopy .) $selector | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "rogo-migrate.container" -}}
{{- $values := .ctx.Values -}}
name: rogo-migrate
image: {{ include "rogo-migrate.image" .ctx | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  {{- toYaml .command | nindent 2 }}
  {{- include "rogo-migrate.flags" .ctx | nindent 2 }}
  {{- if eq (first .command) "plan" }}
  {{- with include "rogo-migrate.planFlags" .ctx | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- end }}
env:
  {{- include "rogo-migrate.podVariables" . | nindent 2 }}
  {{- include "rogo-migrate.settings" . | trim | nindent 2 }}
  {{- include "rogo-migrate.credentialVariables" .ctx | trim | nindent 2 }}
  {{- with .env }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests:
    cpu: {{ .job.resources.cpu }}
    memory: {{ .job.resources.memory }}
    ephemeral-storage: {{ .job.resources.ephemeralStorage }}
  limits:
    {{- with .job.resources.cpuLimit }}
    cpu: {{ . | quote }}
    {{- end }}
    memory: {{ .job.resources.memory }}
    ephemeral-storage: {{ .job.resources.ephemeralStorage }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
terminationMessagePath: /dev/termination-log
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "rogo-migrate.volumeMounts" . | nindent 2 }}
{{- end -}}

{{- define "rogo-migrate.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* Variables that describe the pod, its writable folders, telemetry, proxy and certificates. */}}
{{- define "rogo-migrate.podVariables" -}}
{{- $values := .ctx.Values -}}
- {name: ROGO_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: ROGO_POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: ROGO_NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: ROGO_JOB, valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}}
- {name: ROGO_TERMINATION_LOG, value: /dev/termination-log}
- {name: TMPDIR, value: /tmp}
- {name: ROGO_DISK_LIMIT, valueFrom: {resourceFieldRef: {containerName: rogo-migrate, resource: limits.ephemeral-storage, divisor: "1"}}}
{{- if $values.workloadIdentity.enabled }}
- {name: ROGO_WORKLOAD_IDENTITY, value: required}
{{- end }}
{{- if .results }}
- {name: ROGO_OUT, value: /results}
{{- end }}
- {name: OTEL_SERVICE_NAME, value: rogo-migrate}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: "service.instance.id=$(ROGO_POD),k8s.namespace.name=$(ROGO_NAMESPACE),k8s.pod.name=$(ROGO_POD),k8s.node.name=$(ROGO_NODE),k8s.job.name=$(ROGO_JOB)"
{{- include "rogo-migrate.variable" (dict "name" "OTEL_EXPORTER_OTLP_ENDPOINT" "value" $values.otel.endpoint) }}
{{- with $values.proxy }}
{{- include "rogo-migrate.variable" (dict "name" "HTTP_PROXY" "value" .http) }}
{{- include "rogo-migrate.variable" (dict "name" "HTTPS_PROXY" "value" .https) }}
{{- if or .http .https }}
- name: NO_PROXY
  value: {{ printf "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,169.254.169.254,.svc,.cluster.local%s" (ternary (printf ",%s" .exceptions) "" (ne .exceptions "")) | quote }}
{{- end }}
{{- end }}
{{- if or $values.caBundle.configMap $values.caBundle.secret }}
- {name: SSL_CERT_FILE, value: /etc/ssl/certs/ca-certificates.crt}
- {name: SSL_CERT_DIR, value: /etc/rogo-migrate/ca}
- {name: PGSSLROOTCERT, value: /etc/rogo-migrate/ca/ca.crt}
{{- end }}
{{- end -}}

{{- define "rogo-migrate.volumeMounts" -}}
{{- $values := .ctx.Values -}}
- {name: tmp, mountPath: /tmp}
{{- if .results }}
- {name: results, mountPath: /results}
{{- end }}
{{- if include "rogo-migrate.credentialSources" .ctx }}
- {name: credentials, mountPath: /etc/rogo-migrate/credentials, readOnly: true}
{{- end }}
{{- if or $values.caBundle.configMap $values.caBundle.secret }}
- {name: ca, mountPath: /etc/rogo-migrate/ca, readOnly: true}
{{- end }}
{{- with $values.storage.sharedVolume }}
{{- if .existingClaim }}
- {name: shared, mountPath: {{ .mountPath | quote }}}
{{- end }}
{{- end }}
{{- with $values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "rogo-migrate.volumes" -}}
{{- $values := .ctx.Values -}}
- {name: tmp, emptyDir: {sizeLimit: {{ .job.resources.ephemeralStorage }}}}
{{- if .results }}
- {name: results, emptyDir: {sizeLimit: {{ .job.resources.ephemeralStorage }}}}
{{- end }}
{{- with include "rogo-migrate.credentialSources" .ctx }}
- name: credentials
  projected:
    # 0440: read by the pods' group alone.
    defaultMode: 288
    sources:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- with $values.caBundle }}
{{- if .secret }}
- name: ca
  secret: {secretName: {{ .secret | quote }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
{{- else if .configMap }}
- name: ca
  configMap: {name: {{ .configMap | quote }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- with $values.storage.sharedVolume.existingClaim }}
- {name: shared, persistentVolumeClaim: {claimName: {{ . | quote }}}}
{{- end }}
{{- with $values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
