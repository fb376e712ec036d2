{{/*
What each Job runs: its spec without the fields that may change in place. The exit codes are those of src/exit.rs.
*/}}

{{/* Arguments: ctx, epoch, parallelism (for the check of connections). */}}
{{- define "rogo-migrate.planSpec" -}}
{{- $expect := include "rogo-migrate.variable" (dict "name" "ROGO_EXPECT" "value" .ctx.Values.inputs.expect) -}}
{{- $later := include "rogo-migrate.laterVariables" .ctx -}}
{{- $reason := "" -}}
{{- if include "rogo-migrate.excludes" .ctx }}{{ $reason = include "rogo-migrate.variable" (dict "name" "ROGO_REASON" "value" .ctx.Values.inputs.reason) }}{{ end -}}
{{- $env := print (include "rogo-migrate.variable" (dict "name" "ROGO_PARALLELISM" "value" .parallelism)) $expect $later $reason | trim -}}
{{- $pod := dict "component" "plan" "job" .ctx.Values.plan "command" (list "plan") "env" $env "results" false "token" false -}}
{{- include "rogo-migrate.singleSpec" (merge $pod .) -}}
{{- end -}}

{{/* Arguments: ctx, epoch, component, shardJob, indexes (as of the shard Job). */}}
{{- define "rogo-migrate.finalizeSpec" -}}
{{- $redo := include "rogo-migrate.redo" (dict "ctx" .ctx "epoch" .epoch "indexes" .indexes) | fromJson -}}
{{- $env := printf "- {name: ROGO_SHARD_JOB, value: %s}" .shardJob -}}
{{- $lost := include "rogo-migrate.variable" (dict "name" "ROGO_REDO" "value" $redo.lost) -}}
{{- $release := include "rogo-migrate.variable" (dict "name" "ROGO_HELM_RELEASE" "value" .ctx.Release.Name) -}}
{{- $chart := include "rogo-migrate.variable" (dict "name" "ROGO_HELM_CHART" "value" (include "rogo-migrate.chartReference" .ctx)) -}}
{{- $prefix := include "rogo-migrate.variable" (dict "name" "ROGO_HELM_PREFIX" "value" (include "rogo-migrate.valuesPrefix" .ctx)) -}}
{{- $event := "" -}}
{{- if .ctx.Values.notify.event }}{{ $event = include "rogo-migrate.variable" (dict "name" "ROGO_NOTIFY_EVENT" "value" "true") }}{{ end -}}
{{- $env = print $env $lost $event $release $chart $prefix -}}
{{- $pod := dict "job" .ctx.Values.finalize "command" (list "finalize") "env" $env "results" true "token" true -}}
{{- include "rogo-migrate.singleSpec" (merge $pod .) -}}
{{- end -}}

{{/* A Job of one pod. */}}
{{- define "rogo-migrate.singleSpec" -}}
completions: 1
parallelism: 1
backoffLimit: 6
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    {{- include "rogo-migrate.ignoredEnds" . | nindent 4 }}
    - action: FailJob
      onExitCodes: {containerName: rogo-migrate, operator: In, values: [64, 65, 69, 78]}
template:
  {{- include "rogo-migrate.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* Whether the plan leaves rows out for good: by the value, or by its variable. */}}
{{- define "rogo-migrate.excludes" -}}
{{- if .Values.inputs.exclude }}the value{{ end -}}
{{- range .Values.extraEnv }}{{ if eq .name "ROGO_EXCLUDE" }}the variable{{ end }}{{ end -}}
{{- end -}}

{{/*
Whether a shard Job moves lost rows again, and why, as JSON: lost, reason. With `shards.only`, `shards.redo` is for its additional Job
alone: the shard Job stays as it is, also one that was made to move the lost rows of all shards. Arguments: ctx, epoch, indexes.
*/}}
{{- define "rogo-migrate.redo" -}}
{{- $redo := dict "lost" .ctx.Values.shards.redo "reason" .ctx.Values.shards.reason -}}
{{- if and (include "rogo-migrate.only" .ctx) (not .indexes) -}}
{{- $_ := set $redo "lost" "" -}}
{{- $given := false -}}
{{- range .ctx.Values.extraEnv }}{{ if eq .name "ROGO_REASON" }}{{ $given = true }}{{ end }}{{ end -}}
{{- range (include "rogo-migrate.liveJobs" .ctx | fromJson).items -}}
{{- if and (eq (dig "metadata" "labels" "app.kubernetes.io/component" "" .) "shards") (not (dig "metadata" "deletionTimestamp" "" .)) -}}
{{- $env := dict -}}
{{- range (dig "spec" "template" "spec" "containers" list .) -}}
{{- range .env }}{{ $_ := set $env .name (get . "value") }}{{ end -}}
{{- end -}}
{{- if and (get $env "ROGO_REDO") (eq (get $env "ROGO_EPOCH") $.epoch) -}}
{{- $_ := set $redo "lost" (get $env "ROGO_REDO") -}}
{{- if not $given }}{{ $_ := set $redo "reason" (get $env "ROGO_REASON" | replace "$$(" "$(") }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $redo -}}
{{- end -}}

{{/* Arguments: ctx, epoch, component, indexes (3,7-9: only these; empty: all). */}}
{{- define "rogo-migrate.shardSpec" -}}
{{- $completions := int64 .ctx.Values.shards.count -}}
{{- $env := "" -}}
{{- with .indexes -}}
{{- $completions = include "rogo-migrate.countIndexes" . -}}
{{- $env = printf "- {name: SHARD_INDEXES, value: %q}" . -}}
{{- end -}}
{{- $redo := include "rogo-migrate.redo" (dict "ctx" .ctx "epoch" .epoch "indexes" .indexes) | fromJson -}}
{{- $lost := include "rogo-migrate.variable" (dict "name" "ROGO_REDO" "value" $redo.lost) -}}
{{- $reason := "" -}}
{{- if or $redo.lost (eq (toString .ctx.Values.work.breaker) "off") }}{{ $reason = include "rogo-migrate.variable" (dict "name" "ROGO_REASON" "value" $redo.reason) }}{{ end -}}
{{- $env = print $env $lost $reason | trim -}}
{{- $job := include "rogo-migrate.shardScheduling" .ctx | fromJson -}}
{{- $pod := dict "job" $job "command" (list "shard") "env" $env "results" false "token" false -}}
completionMode: Indexed
completions: {{ $completions }}
backoffLimitPerIndex: 3
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    {{- include "rogo-migrate.ignoredEnds" . | nindent 4 }}
    - action: FailJob
      onExitCodes: {containerName: rogo-migrate, operator: In, values: [64, 78]}
    - action: FailIndex
      onExitCodes: {containerName: rogo-migrate, operator: In, values: [65, 70]}
template:
  {{- include "rogo-migrate.podTemplate" (merge $pod .) | nindent 2 }}
{{- end -}}

{{/*
The pods that verify the run once it is COMPLETE. `shardJob`: made beside that Job, which moves lost rows again, they do not take the
result of before for its own. Arguments: ctx, epoch, shardJob.
*/}}
{{- define "rogo-migrate.verifySpec" -}}
{{- $verify := .ctx.Values.verify -}}
{{- $box := dict -}}
{{- include "rogo-migrate.asVerifier" (dict "ctx" .ctx "box" $box) -}}
{{- $command := list "verify" (printf "--shard=$(JOB_COMPLETION_INDEX)/%d" (int64 $verify.count)) -}}
{{- with $verify.content }}{{ $command = append $command (printf "--content=%s" .) }}{{ end -}}
{{- $env := "- {name: ROGO_JOB_UID, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['batch.kubernetes.io/controller-uid']\"}}}" -}}
{{- $level := include "rogo-migrate.variable" (dict "name" "ROGO_VERIFY_LEVEL" "value" $verify.level) -}}
{{- $store := include "rogo-migrate.variable" (dict "name" "ROGO_VERIFY_STORE" "value" $verify.store) -}}
{{- $awaited := include "rogo-migrate.variable" (dict "name" "ROGO_SHARD_JOB" "value" .shardJob) -}}
{{- $pod := dict "ctx" $box.ctx "epoch" .epoch "component" "verify" "job" $verify "command" $command "env" (print $env $level $store $awaited) "results" true "token" false -}}
completionMode: Indexed
completions: {{ int64 $verify.count }}
backoffLimitPerIndex: 3
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    {{- include "rogo-migrate.ignoredEnds" . | nindent 4 }}
    - action: FailJob
      onExitCodes: {containerName: rogo-migrate, operator: In, values: [64, 69, 78]}
    - action: FailIndex
      onExitCodes: {containerName: rogo-migrate, operator: In, values: [1, 65, 70]}
template:
  {{- include "rogo-migrate.podTemplate" $pod | nindent 2 }}
{{- end -}}

{{/*
Who verifies could not have written what is verified: puts into `box` a context whose service account, identity and credentials are
those of `verify`, as far as it names any. A Secret or file of its own for the account or the sources is used although the run uses an
identity there. Arguments: ctx, box.
*/}}
{{- define "rogo-migrate.asVerifier" -}}
{{- $ctx := .ctx -}}
{{- $values := deepCopy $ctx.Values -}}
{{- $verify := $values.verify -}}
{{- $account := $verify.serviceAccount -}}
{{- $_ := set $values "serviceAccount" (merge (dict "name" (include "rogo-migrate.verifyAccountName" $ctx)) $account) -}}
{{- range $id := list "database" "warehouse" "account" "source" "consumerKey" -}}
{{- $own := get $verify.credentials $id -}}
{{- $secret := $own.existingSecret | default $verify.credentials.existingSecret -}}
{{- $used := get $values.credentials $id -}}
{{- if or $secret $own.file -}}
{{- $_ := set $used "existingSecret" $secret -}}
{{- $_ := set $used "file" $own.file -}}
{{- end -}}
{{- if and (has $id (list "account" "source")) (or $own.existingSecret $own.file) -}}
{{- $_ := set $used "enabled" true -}}
{{- if eq $id "account" }}{{ $_ := set $values.storage "accountUrl" "" }}{{ else }}{{ $_ := set $values.source "auth" "auto" }}{{ end -}}
{{- end -}}
{{- with $own.key }}{{ $_ := set $used "key" . }}{{ end -}}
{{- end -}}
{{- $_ := set .box "ctx" (dict "Values" $values "Release" $ctx.Release "Chart" $ctx.Chart "Template" $ctx.Template "Files" $ctx.Files "Capabilities" $ctx.Capabilities) -}}
{{- end -}}

{{/* What costs no retry: the node took the pod away, or it stopped in order. */}}
{{- define "rogo-migrate.ignoredEnds" -}}
- action: Ignore
  onPodConditions: [{type: DisruptionTarget, status: "True"}]
- action: Ignore
  onExitCodes: {containerName: rogo-migrate, operator: In, values: [143]}
{{- end -}}

{{/* The shards' values with spot nodes and the queue in them, as JSON. */}}
{{- define "rogo-migrate.shardScheduling" -}}
{{- $job := deepCopy .Values.shards -}}
{{- $key := "kubernetes.azure.com/scalesetpriority" -}}
{{- if $job.spot -}}
{{- $toleration := dict "key" $key "operator" "Equal" "value" "spot" "effect" "NoSchedule" -}}
{{- $_ := set $job "tolerations" (append $job.tolerations $toleration) -}}
{{- if not $job.affinity -}}
{{- $spot := dict "matchExpressions" (list (dict "key" $key "operator" "In" "values" (list "spot"))) -}}
{{- $preferred := list (dict "weight" 100 "preference" $spot) -}}
{{- $_ := set $job "affinity" (dict "nodeAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred)) -}}
{{- end -}}
{{- end -}}
{{- if $job.queueName }}{{ $_ := set $job "tolerations" list }}{{ end -}}
{{- toJson $job -}}
{{- end -}}

{{/*
The parallelism that the plan checks connections for: as given, else the one with which its Job was created, so that throttling in
place leaves it alone.
*/}}
{{- define "rogo-migrate.checkedParallelism" -}}
{{- $given := int64 .ctx.Values.shards.checkedParallelism -}}
{{- $checked := $given | default (int64 .ctx.Values.shards.parallelism) -}}
{{- $live := ternary dict (lookup "batch/v1" "Job" .ctx.Release.Namespace .plan) (gt $given 0) -}}
{{- range (dig "spec" "template" "spec" "containers" list $live) -}}
{{- range .env -}}
{{- if eq .name "ROGO_PARALLELISM" }}{{ $checked = .value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $checked -}}
{{- end -}}

{{/* Fields that every Job may change in place. */}}
{{- define "rogo-migrate.times" -}}
{{- if not (kindIs "invalid" .activeDeadlineSeconds) }}
activeDeadlineSeconds: {{ int64 .activeDeadlineSeconds }}
{{- end }}
{{- if not (kindIs "invalid" .ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 .ttlSecondsAfterFinished }}
{{- end }}
{{- end -}}

{{/*
Fields of a shard Job that may change in place. Kubernetes ends a Job in which more than maxFailedIndexes shards have failed, so
that this number must not depend on the parallelism: a lower one would end a run that is only to go slower. Arguments: values,
completions.
*/}}
{{- define "rogo-migrate.throttle" -}}
{{- $most := sub (int64 .completions) 1 -}}
parallelism: {{ int64 .values.parallelism }}
maxFailedIndexes: {{ min $most (ternary 10 .values.maxFailed (kindIs "invalid" .values.maxFailed)) }}
{{- if and .values.suspend (not .values.queueName) }}
suspend: true
{{- end }}
{{- end -}}

{{/* Kueue's annotation for a start with fewer shards at a time. Argument: the shards' values. */}}
{{- define "rogo-migrate.queueMinParallelism" -}}
{{- if and .queueName (int64 .queueMinParallelism) }}kueue.x-k8s.io/job-min-parallelism: {{ int64 .queueMinParallelism | quote }}{{ end -}}
{{- end -}}
