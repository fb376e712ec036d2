{{/* What cannot work is refused here, all of it at once and in sentences. */}}

{{- define "rogo-migrate.check" -}}
{{- $wrong := list -}}
{{- $values := .Values -}}
{{- range list
  (list "inputs.submissions" $values.inputs.submissions)
  (list "inputs.mapping" $values.inputs.mapping)
  (list "target.container" $values.target.container)
  (list "storage.runStore" $values.storage.runStore)
  (list "source.allow" $values.source.allow)
  (list "organisation.lmsInstance" $values.organisation.lmsInstance)
  (list "organisation.lmsName" $values.organisation.lmsName)
  (list "organisation.returnUrl" $values.organisation.returnUrl) -}}
{{- if not (last .) }}{{ $wrong = append $wrong (printf "%s is required." (first .)) }}{{ end -}}
{{- end -}}
{{- $wrong = concat $wrong (include "rogo-migrate.wrongCredentials" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "rogo-migrate.wrongConnections" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "rogo-migrate.wrongPlaces" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "rogo-migrate.wrongNames" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "rogo-migrate.wrongDecisions" . | fromJsonArray) -}}
{{- $part := splitList "/" $values.verify.content -}}
{{- if gt (int64 (first $part)) (int64 (last $part)) -}}
{{- $wrong = append $wrong (printf "verify.content: %s is no part, as 1/7 to 7/7 are." $values.verify.content) -}}
{{- end -}}
{{- if $wrong }}{{ fail (printf "\n- %s" (join "\n- " $wrong)) }}{{ end -}}
{{- end -}}

{{- define "rogo-migrate.wrongCredentials" -}}
{{- $wrong := list -}}
{{- $names := list -}}
{{- range (include "rogo-migrate.credentials" . | fromJsonArray) -}}
{{- $names = append $names .id -}}
{{- if not (or .file .secret) -}}
{{- $wrong = append $wrong (printf "credentials.%s: name its Secret (credentials.%s.existingSecret, or credentials.existingSecret for all) or its file." .id .id) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.warehouse.folder (has "warehouse" $names) -}}
{{- $wrong = append $wrong "warehouse.folder and credentials.warehouse both name the warehouse: leave one of them." -}}
{{- end -}}
{{- if and .Values.storage.accountUrl (has "account" $names) -}}
{{- $wrong = append $wrong "storage.accountUrl and credentials.account both name the account of target and run store: leave one of them." -}}
{{- end -}}
{{- range list "database" "consumerKey" -}}
{{- if not (has . $names) }}{{ $wrong = append $wrong (printf "credentials.%s is required." .) }}{{ end -}}
{{- end -}}
{{- if and .Values.workloadIdentity.enabled (not .Values.workloadIdentity.clientId) -}}
{{- $wrong = append $wrong "workloadIdentity.clientId is required with workloadIdentity.enabled." -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "rogo-migrate.wrongConnections" -}}
{{- $wrong := list -}}
{{- $parallelism := int64 .Values.shards.parallelism -}}
{{- $workers := int64 .Values.work.workers -}}
{{- range list
  (list "target" (int64 .Values.target.maxConnections) "pool" (int64 .Values.work.pool))
  (list "warehouse" (ternary 0 (int64 .Values.warehouse.maxConnections) (ne .Values.warehouse.folder "")) "warehousePool" (int64 .Values.work.warehousePool)) -}}
{{- $most := int64 (index . 1) -}}
{{- $pool := last . -}}
{{- $opened := mul $parallelism $workers $pool -}}
{{- if and $most (gt $opened $most) -}}
{{- $wrong = append $wrong (printf "shards.parallelism %d × work.workers %d × work.%s %d = %d connections exceed %s.maxConnections %d: lower one of them." $parallelism $workers (index . 2) $pool $opened (first .) $most) -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{/* A folder of one pod is gone with it: what pods share lies on a volume that many nodes may write. */}}
{{- define "rogo-migrate.wrongPlaces" -}}
{{- $wrong := list -}}
{{- $shared := .Values.storage.sharedVolume -}}
{{- range list (list "storage.runStore" .Values.storage.runStore) (list "target.container" .Values.target.container) (list "verify.store" (ternary .Values.verify.store "" .Values.verify.enabled)) -}}
{{- $place := last . -}}
{{- if hasPrefix "file://" $place -}}
{{- $inside := hasPrefix (printf "file://%s/" (trimSuffix "/" $shared.mountPath)) (printf "%s/" $place) -}}
{{- $upwards := regexMatch "(?i)(/|%2f)(\\.|%2e){2}(/|%2f|$)" $place -}}
{{- if or $upwards (not (and $shared.existingClaim $inside)) -}}
{{- $wrong = append $wrong (printf "%s is a folder: it must be storage.sharedVolume.mountPath (%s) or lie below it, without \"..\", on a ReadWriteMany volume that storage.sharedVolume.existingClaim names." (first .) $shared.mountPath) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $shared.existingClaim -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" $.Release.Namespace . -}}
{{- if and $claim (not (has "ReadWriteMany" (dig "spec" "accessModes" list $claim))) -}}
{{- $wrong = append $wrong (printf "storage.sharedVolume.existingClaim: %s is not ReadWriteMany, but pods of several nodes share it." .) -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{/* A decision without its reason: the pods would end with 64. The variable may come by extraEnv, or from what envFrom names. */}}
{{- define "rogo-migrate.wrongDecisions" -}}
{{- $wrong := list -}}
{{- $given := .Values.envFrom -}}
{{- range .Values.extraEnv }}{{ if eq .name "ROGO_REASON" }}{{ $given = append $given . }}{{ end }}{{ end -}}
{{- if and (include "rogo-migrate.excludes" .) (not .Values.inputs.reason) (not $given) -}}
{{- $wrong = append $wrong "inputs.exclude (ROGO_EXCLUDE) is a decision that the run records: say why with inputs.reason." -}}
{{- end -}}
{{- $isOff := eq (toString .Values.work.breaker) "off" -}}
{{- range list (list "shards.redo" .Values.shards.redo) (list "work.breaker=off" $isOff) -}}
{{- if and (last .) (not $.Values.shards.reason) (not $given) -}}
{{- $wrong = append $wrong (printf "%s is a decision that the run records: say why with shards.reason." (first .)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.shards.redo $isOff (include "rogo-migrate.only" .) -}}
{{- $wrong = append $wrong "shards.only with shards.redo while work.breaker is off: a new reason would make the shard Job another one. Take the list back with --set shards.only= ; all shards then look for their lost rows." -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{- define "rogo-migrate.wrongNames" -}}
{{- $wrong := list -}}
{{- $taken := include "rogo-migrate.takenVariables" . | splitList " " -}}
{{- $inputs := .Values.inputs -}}
{{- range list (list "ROGO_AFTER" $inputs.after) (list "ROGO_EXCLUDE" $inputs.exclude) (list "ROGO_REASON" (or $inputs.reason .Values.shards.reason)) -}}
{{- if last . }}{{ $taken = append $taken (first .) }}{{ end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name $taken -}}
{{- $wrong = append $wrong (printf "extraEnv: %s is set by the chart itself; it has a value of its own for it." .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.volumes -}}
{{- if has .name (list "tmp" "results" "credentials" "ca" "shared") -}}
{{- $wrong = append $wrong (printf "volumes: the chart has a volume %s itself; take another name." .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.initContainers -}}
{{- if eq .name "rogo-migrate" -}}
{{- $wrong = append $wrong "initContainers: rogo-migrate is the program's own container; take another name." -}}
{{- end -}}
{{- end -}}
{{- toJson $wrong -}}
{{- end -}}

{{/*
Settings of the program that have a variable, and what the chart sets beside them. Free are the address for the verdict, which is a
secret, and as long as their values are blank what makes a run a later one, and the reason for a decision.
*/}}
{{- define "rogo-migrate.takenVariables" -}}
ROGO_SUBMISSIONS ROGO_MAPPING ROGO_ENCODING ROGO_WAREHOUSE_NULL ROGO_WAREHOUSE_ESCAPE ROGO_EXPECT ROGO_EXPECT_HOST ROGO_TARGET_ALTERS ROGO_VERIFY_LEVEL ROGO_VERIFY_STORE ROGO_REDO ROGO_SOURCE_ALLOW ROGO_TARGET ROGO_RUN_STORE AZURE_STORAGE_ACCOUNT_URL ROGO_RUN ROGO_EPOCH ROGO_OUT
{{- " " -}}
ROGO_LMS_INSTANCE ROGO_LMS_NAME ROGO_RETURN_URL ROGO_UNIT_VERSIONS ROGO_INSTRUCTION_SET ROGO_ASSIGNMENT_TITLE ROGO_RULE_OWNER ROGO_MARKER_ONLY
{{- " " -}}
ROGO_WAREHOUSE_TIME_ZONE ROGO_SHARDS ROGO_PARALLELISM JOB_COMPLETION_INDEX SHARD_INDEXES ROGO_WAIT_PLAN ROGO_WORKERS ROGO_IN_FLIGHT ROGO_POOL
{{- " " -}}
ROGO_WAREHOUSE_POOL ROGO_FLUSH ROGO_GIVE_UP_AFTER ROGO_BREAKER ROGO_TARGET_GUARD ROGO_TRACE_SAMPLE ROGO_LOG_FORMAT RUST_LOG
{{- " " -}}
DATABASE_URL DATABASE_URL_FILE DATA_WAREHOUSE_CONNECTION_STRING DATA_WAREHOUSE_CONNECTION_STRING_FILE AZURE_STORAGE_CONNECTION_STRING
{{- " " -}}
AZURE_STORAGE_CONNECTION_STRING_FILE SOURCE_STORAGE_CONNECTION_STRING SOURCE_STORAGE_CONNECTION_STRING_FILE ROGO_CONSUMER_KEY ROGO_CONSUMER_KEY_FILE
{{- " " -}}
ROGO_NAMESPACE ROGO_POD ROGO_NODE ROGO_JOB ROGO_JOB_UID ROGO_SHARD_JOB ROGO_NOTIFY_EVENT ROGO_HELM_RELEASE ROGO_HELM_CHART ROGO_HELM_PREFIX ROGO_WORKLOAD_IDENTITY ROGO_TERMINATION_LOG ROGO_DISK_LIMIT TMPDIR OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES
{{- " " -}}
OTEL_EXPORTER_OTLP_ENDPOINT HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR PGSSLROOTCERT
{{- end -}}

{{/*
Helm deletes a Job whose name is rendered no more, and its pods with it. One that verifies may go: it waits for a COMPLETE result without
end, it only reads, and the Job that is made instead begins anew. Arguments: ctx, names.
*/}}
{{- define "rogo-migrate.guard" -}}
{{- $kept := list .names.plan .names.shards .names.finalize -}}
{{- with .names.again }}{{ $kept = append $kept .shards }}{{ $kept = append $kept .finalize }}{{ end -}}
{{- $lost := list -}}
{{- range (include "rogo-migrate.liveJobs" .ctx | fromJson).items -}}
{{- $verifies := eq (dig "metadata" "labels" "app.kubernetes.io/component" "" .) "verify" -}}
{{- if not (or $verifies (has .metadata.name $kept) (dig "metadata" "deletionTimestamp" "" .) (include "rogo-migrate.jobEnd" .)) -}}
{{- $lost = append $lost .metadata.name -}}
{{- end -}}
{{- end -}}
{{- if and $lost (not .ctx.Values.replaceRunning) -}}
{{- fail (printf "\nThis change gives the Jobs of the run other names, and Helm would delete %s, which %s unfinished. Wait until the run has ended, or stop it and start it anew with --set replaceRunning=true: what is migrated stays migrated." (join ", " $lost) (ternary "is" "are" (eq (len $lost) 1))) -}}
{{- end -}}
{{- end -}}
