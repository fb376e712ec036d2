{{/* Names: of everything, and of Jobs by what they run. */}}

{{/* Release and run in at most 46 characters: a Job's name adds 11, a pod's host name an index of up to 5 digits. */}}
{{- define "rogo-migrate.slug" -}}
{{- $whole := printf "%s-%s" .Release.Name .Values.run -}}
{{- $slug := $whole | replace "." "-" -}}
{{- if or (ne $slug $whole) (gt (len $slug) 46) -}}
{{- $slug = printf "%s-%s" ($slug | trunc 37 | trimSuffix "-") (sha256sum $whole | trunc 8) -}}
{{- end -}}
{{- $slug -}}
{{- end -}}

{{/* Of what belongs to the release, not to one run. */}}
{{- define "rogo-migrate.fullname" -}}
{{- if contains "rogo-migrate" .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-rogo-migrate" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "rogo-migrate.serviceAccountName" -}}
{{- with .Values.serviceAccount -}}
{{- if .create }}{{ .name | default (include "rogo-migrate.fullname" $) }}{{ else }}{{ .name | default "default" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Of the pods that verify. */}}
{{- define "rogo-migrate.verifyAccountName" -}}
{{- $own := printf "%s-verify" (include "rogo-migrate.fullname" . | trunc 56 | trimSuffix "-") -}}
{{- with .Values.verify.serviceAccount -}}
{{- if .create }}{{ .name | default $own }}{{ else }}{{ .name | default "default" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: they stand in templates of Jobs too. Arguments: ctx, component. */}}
{{- define "rogo-migrate.stableLabels" -}}
app.kubernetes.io/name: rogo-migrate
app.kubernetes.io/instance: {{ .ctx.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of objects; those of the chart's version change with an upgrade. */}}
{{- define "rogo-migrate.labels" -}}
{{ include "rogo-migrate.stableLabels" . }}
app.kubernetes.io/part-of: rogo-migrate
app.kubernetes.io/managed-by: {{ .ctx.Release.Service }}
app.kubernetes.io/version: {{ .ctx.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .ctx.Chart.Name .ctx.Chart.Version | replace "+" "_" | quote }}
rogo-migrate/run: {{ .ctx.Values.run | quote }}
{{- end -}}

{{/*
What is rendered, as JSON: epoch, and the name of each Job from a digest of what it runs. Fields that may change in
place are no part of a digest, and neither is the release's revision: an upgrade that changes nothing changes nothing.
*/}}
{{- define "rogo-migrate.names" -}}
{{- $slug := include "rogo-migrate.slug" . -}}
{{- $start := include "rogo-migrate.planSpec" (dict "ctx" . "epoch" "" "parallelism" "") -}}
{{- $epoch := printf "%d-%s" (int64 .Values.generation) (sha256sum $start | trunc 8) -}}
{{- $given := int64 .Values.shards.checkedParallelism -}}
{{- $plan := include "rogo-migrate.planSpec" (dict "ctx" . "epoch" $epoch "parallelism" (ternary $given "" (gt $given 0))) -}}
{{- $names := dict "epoch" $epoch "plan" (printf "%s-p-%s" $slug (sha256sum $plan | trunc 8)) -}}
{{- $shards := include "rogo-migrate.shardSpec" (dict "ctx" . "epoch" $epoch "component" "shards" "indexes" "") -}}
{{- $_ := set $names "shards" (printf "%s-s-%s" $slug (sha256sum $shards | trunc 8)) -}}
{{- $finalize := include "rogo-migrate.finalizeSpec" (dict "ctx" . "epoch" $epoch "component" "finalize" "shardJob" $names.shards "indexes" "") -}}
{{- $_ := set $names "finalize" (printf "%s-f-%s" $slug (sha256sum $finalize | trunc 8)) -}}
{{- $_ := set $names "inherited" (include "rogo-migrate.inheritedOnly" (dict "ctx" . "shardJob" $names.shards)) -}}
{{- include "rogo-migrate.addAgain" (dict "ctx" . "slug" $slug "names" $names) -}}
{{- if .Values.verify.enabled -}}
{{- $_ := set $names "redoJob" (include "rogo-migrate.redoJob" (dict "ctx" . "names" $names)) -}}
{{- $verify := include "rogo-migrate.verifySpec" (dict "ctx" . "epoch" $epoch "shardJob" $names.redoJob) -}}
{{- $_ := set $names "verify" (printf "%s-v-%s" $slug (printf "%s %d" $verify (int64 .Values.verify.again) | sha256sum | trunc 8)) -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* The Job that moves lost rows again, if one is rendered. Arguments: ctx, names. */}}
{{- define "rogo-migrate.redoJob" -}}
{{- $job := .names.shards -}}
{{- $indexes := "" -}}
{{- with .names.again }}{{ $job = .shards }}{{ $indexes = .indexes }}{{ end -}}
{{- $redo := include "rogo-migrate.redo" (dict "ctx" .ctx "epoch" .names.epoch "indexes" $indexes) | fromJson -}}
{{- if $redo.lost }}{{ $job }}{{ end -}}
{{- end -}}

{{/* The Jobs of this release that the cluster has, as JSON: items. Empty if no cluster is seen. */}}
{{- define "rogo-migrate.liveJobs" -}}
{{- $own := list -}}
{{- range (lookup "batch/v1" "Job" .Release.Namespace "").items -}}
{{- $labels := dig "metadata" "labels" dict . -}}
{{- if and (eq (get $labels "app.kubernetes.io/instance") $.Release.Name) (eq (get $labels "app.kubernetes.io/name") "rogo-migrate") -}}
{{- $own = append $own . -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "items" $own) -}}
{{- end -}}

{{/*
Adds to the names what runs `shards.only` again, if that list holds. A list whose Jobs have ended, one of them failed, gets
new names at each upgrade: the same line runs it once more.
*/}}
{{- define "rogo-migrate.addAgain" -}}
{{- $names := .names -}}
{{- if include "rogo-migrate.onlyHolds" . -}}
{{- $indexes := include "rogo-migrate.onlyIndexes" .ctx -}}
{{- $spec := include "rogo-migrate.shardSpec" (dict "ctx" .ctx "epoch" $names.epoch "component" "shards-again" "indexes" $indexes) -}}
{{- $again := sha256sum $spec | trunc 8 -}}
{{- $try := 1 -}}
{{- $ends := list -}}
{{- range (include "rogo-migrate.liveJobs" .ctx | fromJson).items -}}
{{- if eq (dig "metadata" "labels" "rogo-migrate/again" "" .) $again -}}
{{- $try = max $try (int (dig "metadata" "annotations" "rogo-migrate/try" "1" .)) -}}
{{- $ends = append $ends (include "rogo-migrate.jobEnd" .) -}}
{{- end -}}
{{- end -}}
{{- if and (has "Failed" $ends) (not (has "" $ends)) }}{{ $try = add1 $try }}{{ end -}}
{{- $shards := printf "%s-s-%s" .slug (printf "%s %d %d" $spec $try (int64 .ctx.Values.shards.again) | sha256sum | trunc 8) -}}
{{- $finalize := include "rogo-migrate.finalizeSpec" (dict "ctx" .ctx "epoch" $names.epoch "component" "finalize-again" "shardJob" $shards "indexes" $indexes) -}}
{{- $_ := set $names "again" (dict "digest" $again "try" (toString $try) "indexes" $indexes "shards" $shards "finalize" (printf "%s-f-%s" .slug (sha256sum $finalize | trunc 8))) -}}
{{- end -}}
{{- end -}}

{{/*
The `shards.only` that stood in the values when the shard Job was made, and with it what else was asked of those shards: reused values
brought it from an older generation. Arguments: ctx, shardJob.
*/}}
{{- define "rogo-migrate.inheritedOnly" -}}
{{- $namespace := .ctx.Release.Namespace -}}
{{- if lookup "v1" "ServiceAccount" $namespace "default" -}}
{{- $main := lookup "batch/v1" "Job" $namespace .shardJob -}}
{{- if $main }}{{ dig "metadata" "annotations" "rogo-migrate/inherited-only" "" $main }}{{ else }}{{ include "rogo-migrate.asked" .ctx }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* What is asked of the shards of `shards.only`: the list, and if their lost rows are to be moved again, that. */}}
{{- define "rogo-migrate.asked" -}}
{{- with include "rogo-migrate.only" . -}}
{{- . }}{{ with $.Values.shards.redo }} {{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/*
Whether `shards.only` holds: if the cluster is seen, only beside the finished shard Job, and an inherited list only
if that Job has failed in just these shards, so that its finalizer prints the same list. Arguments: ctx, names.
*/}}
{{- define "rogo-migrate.onlyHolds" -}}
{{- $namespace := .ctx.Release.Namespace -}}
{{- $only := include "rogo-migrate.only" .ctx -}}
{{- $main := lookup "batch/v1" "Job" $namespace .names.shards -}}
{{- $end := include "rogo-migrate.jobEnd" $main -}}
{{- if not $only -}}
{{- else if not (lookup "v1" "ServiceAccount" $namespace "default") -}}
without a cluster
{{- else if eq (include "rogo-migrate.asked" .ctx) .names.inherited -}}
{{- if eq $end "Failed" }}{{ include "rogo-migrate.isRest" (dict "only" $only "job" $main) }}{{ end -}}
{{- else if $end -}}
beside {{ .names.shards }}
{{- else -}}
{{- fail (printf "\nshards.only is set while the shard Job %s is unfinished. Wait until it has ended, or take it back with --set shards.only= ." .names.shards) -}}
{{- end -}}
{{- end -}}

{{/* Whether these are all the shards that a Job did not complete. Arguments: only, job. */}}
{{- define "rogo-migrate.isRest" -}}
{{- $completed := dig "status" "completedIndexes" "" .job -}}
{{- $both := add (include "rogo-migrate.countIndexes" $completed) (include "rogo-migrate.countIndexes" .only) -}}
{{- $overlap := false -}}
{{- range $range := (include "rogo-migrate.ranges" .only | fromJsonArray) -}}
{{- range (include "rogo-migrate.ranges" $completed | fromJsonArray) -}}
{{- if and (le .first $range.last) (ge .last $range.first) }}{{ $overlap = true }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and (eq $both (int64 .job.spec.completions)) (not $overlap) }}the rest{{ end -}}
{{- end -}}

{{/* How a Job ended: Complete, Failed, or nothing. */}}
{{- define "rogo-migrate.jobEnd" -}}
{{- range (dig "status" "conditions" list .) -}}
{{- if and (has .type (list "Complete" "Failed")) (eq .status "True") }}{{ .type }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* `shards.only` as text; null is as empty as "". */}}
{{- define "rogo-migrate.only" -}}
{{- $only := .Values.shards.only -}}
{{- if kindIs "float64" $only }}{{ $only = int64 $only }}{{ end -}}
{{- if not (kindIs "invalid" $only) }}{{ $only }}{{ end -}}
{{- end -}}

{{/* A list of shards, as 3,7-9, as JSON: text, first and last of each range. */}}
{{- define "rogo-migrate.ranges" -}}
{{- $ranges := list -}}
{{- range (splitList "," .) -}}
{{- with trim . -}}
{{- $ends := splitList "-" . -}}
{{- /* atoi reads 08 as 8; int64 would take it for octal. */}}
{{- $ranges = append $ranges (dict "text" . "first" (first $ends | atoi) "last" (last $ends | atoi)) -}}
{{- end -}}
{{- end -}}
{{- toJson $ranges -}}
{{- end -}}

{{/* How many shards a list names. */}}
{{- define "rogo-migrate.countIndexes" -}}
{{- $count := 0 -}}
{{- range (include "rogo-migrate.ranges" . | fromJsonArray) -}}
{{- $count = add $count 1 (sub (int64 .last) (int64 .first)) -}}
{{- end -}}
{{- $count -}}
{{- end -}}

{{/* `shards.only` in its shortest form, sorted: 3,7-9. Refuses what is no list of shards of this run. */}}
{{- define "rogo-migrate.onlyIndexes" -}}
{{- $parts := list -}}
{{- range (include "rogo-migrate.only" . | include "rogo-migrate.ranges" | fromJsonArray) -}}
{{- $first := int .first -}}
{{- $last := int .last -}}
{{- if or (gt $first $last) (ge $last (int $.Values.shards.count)) -}}
{{- fail (printf "\nshards.only: %s is no range of this run's shards, 0 to %d." .text (sub (int64 $.Values.shards.count) 1)) -}}
{{- end -}}
{{- $parts = append $parts (printf "%05d-%05d" $first $last) -}}
{{- end -}}
{{- $before := -1 -}}
{{- $ranges := list -}}
{{- range (sortAlpha $parts) -}}
{{- $first := . | trunc 5 | atoi -}}
{{- $last := . | trunc -5 | atoi -}}
{{- if le $first $before -}}
{{- fail (printf "\nshards.only: shard %d is in it twice." $first) -}}
{{- end -}}
{{- $before = $last -}}
{{- $ranges = append $ranges (ternary (toString $first) (printf "%d-%d" $first $last) (eq $first $last)) -}}
{{- end -}}
{{- join "," $ranges -}}
{{- end -}}
