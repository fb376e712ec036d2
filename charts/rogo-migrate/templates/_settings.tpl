{{/* The program's settings as environment variables: the names are those of its table of settings. */}}

{{/* One variable, if it has a value. Kubernetes would replace $(NAME) in it. Arguments: name, value. */}}
{{- define "rogo-migrate.variable" -}}
{{- $value := .value -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- if kindIs "invalid" $value }}{{ $value = "" }}{{ end -}}
{{- $value = $value | toString -}}
{{- if $value }}
- {name: {{ .name }}, value: {{ $value | replace "$(" "$$(" | quote }}}
{{- end -}}
{{- end -}}

{{/* What every pod of the run has. Arguments: ctx, epoch. */}}
{{- define "rogo-migrate.settings" -}}
{{- $values := .ctx.Values -}}
{{- $variables := list
  (list "ROGO_SUBMISSIONS" $values.inputs.submissions)
  (list "ROGO_MAPPING" $values.inputs.mapping)
  (list "ROGO_ENCODING" $values.inputs.encoding)
  (list "DATA_WAREHOUSE_CONNECTION_STRING" $values.warehouse.folder)
  (list "ROGO_WAREHOUSE_NULL" $values.warehouse.nullText)
  (list "ROGO_WAREHOUSE_ESCAPE" $values.warehouse.escape)
  (list "ROGO_SOURCE_ALLOW" (join "," $values.source.allow))
  (list "ROGO_TARGET" $values.target.container)
  (list "ROGO_EXPECT_HOST" $values.target.expectHost)
  (list "ROGO_TARGET_ALTERS" (join "," $values.target.alters))
  (list "ROGO_RUN_STORE" $values.storage.runStore)
  (list "AZURE_STORAGE_ACCOUNT_URL" $values.storage.accountUrl)
  (list "ROGO_RUN" $values.run)
  (list "ROGO_EPOCH" .epoch)
  (list "ROGO_LMS_INSTANCE" $values.organisation.lmsInstance)
  (list "ROGO_LMS_NAME" $values.organisation.lmsName)
  (list "ROGO_RETURN_URL" $values.organisation.returnUrl)
  (list "ROGO_UNIT_VERSIONS" (join "," $values.rules.unitVersions))
  (list "ROGO_INSTRUCTION_SET" $values.rules.instructionSet)
  (list "ROGO_ASSIGNMENT_TITLE" $values.rules.assignmentTitle)
  (list "ROGO_RULE_OWNER" $values.rules.ruleOwner)
  (list "ROGO_MARKER_ONLY" $values.rules.markerOnly)
  (list "ROGO_WAREHOUSE_TIME_ZONE" $values.rules.warehouseTimeZone)
  (list "ROGO_SHARDS" $values.shards.count)
  (list "ROGO_WAIT_PLAN" $values.work.waitPlan)
  (list "ROGO_WORKERS" $values.work.workers)
  (list "ROGO_IN_FLIGHT" $values.work.inFlight)
  (list "ROGO_POOL" $values.work.pool)
  (list "ROGO_WAREHOUSE_POOL" $values.work.warehousePool)
  (list "ROGO_FLUSH" $values.work.flush)
  (list "ROGO_GIVE_UP_AFTER" $values.work.giveUpAfter)
  (list "ROGO_BREAKER" $values.work.breaker)
  (list "ROGO_TARGET_GUARD" (ternary "on" "off" (has (toString $values.target.guard) (list "on" "true"))))
  (list "ROGO_TRACE_SAMPLE" $values.otel.traceSample)
  (list "ROGO_LOG_FORMAT" $values.log.format)
  (list "RUST_LOG" $values.log.filter)
-}}
{{- range $variables -}}
{{- include "rogo-migrate.variable" (dict "name" (first .) "value" (last .)) -}}
{{- end -}}
{{- end -}}

{{/* Settings that have no variable. */}}
{{- define "rogo-migrate.flags" -}}
- --database-auth={{ .Values.target.databaseAuth }}
- --source-auth={{ .Values.source.auth }}
{{- end -}}

{{/* Variables of what makes a plan that of a later export: of the plan, and of the test, which compares itself with it. */}}
{{- define "rogo-migrate.laterVariables" -}}
{{- include "rogo-migrate.variable" (dict "name" "ROGO_AFTER" "value" (join "," .Values.inputs.after)) -}}
{{- include "rogo-migrate.variable" (dict "name" "ROGO_EXCLUDE" "value" .Values.inputs.exclude) -}}
{{- end -}}

{{/* The plan's own. */}}
{{- define "rogo-migrate.planFlags" -}}
{{- with int64 .Values.inputs.limit }}
- --limit={{ . }}
{{- end }}
{{- with .Values.inputs.attempts }}
- {{ printf "--attempts=%s" . | replace "$(" "$$(" | quote }}
{{- end }}
{{- end -}}

{{/* The credentials in use, as JSON: a list of name, and either file, or secret and key. */}}
{{- define "rogo-migrate.credentials" -}}
{{- $values := .Values -}}
{{- $places := list $values.inputs.submissions $values.inputs.mapping $values.warehouse.folder $values.target.container $values.storage.runStore -}}
{{- $needed := dict "warehouse" (not $values.warehouse.folder) "account" (and (not $values.storage.accountUrl) (contains "az://" (join " " $places))) -}}
{{- $used := list -}}
{{- range $credential := list
  (list "database" "DATABASE_URL")
  (list "warehouse" "DATA_WAREHOUSE_CONNECTION_STRING")
  (list "account" "AZURE_STORAGE_CONNECTION_STRING")
  (list "source" "SOURCE_STORAGE_CONNECTION_STRING")
  (list "consumerKey" "ROGO_CONSUMER_KEY") -}}
{{- $id := first $credential -}}
{{- $given := get $values.credentials $id -}}
{{- $enabled := $given.enabled -}}
{{- if kindIs "invalid" $enabled }}{{ $enabled = get $needed $id }}{{ end -}}
{{- if $enabled -}}
{{- $secret := $given.existingSecret | default $values.credentials.existingSecret -}}
{{- $used = append $used (dict "id" $id "name" (last $credential) "file" $given.file "secret" $secret "key" $given.key) -}}
{{- end -}}
{{- end -}}
{{- toJson $used -}}
{{- end -}}

{{/* Variables of the credentials: the file that holds each, or its value. */}}
{{- define "rogo-migrate.credentialVariables" -}}
{{- range (include "rogo-migrate.credentials" . | fromJsonArray) -}}
{{- if .file }}
- {name: {{ .name }}_FILE, value: {{ .file | quote }}}
{{- else if eq $.Values.credentials.as "file" }}
- {name: {{ .name }}_FILE, value: /etc/rogo-migrate/credentials/{{ .name }}}
{{- else }}
- {name: {{ .name }}, valueFrom: {secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Mounts of Secrets: one volume of one file per credential, named as its variable. */}}
{{- define "rogo-migrate.credentialSources" -}}
{{- if eq .Values.credentials.as "file" -}}
{{- range (include "rogo-migrate.credentials" . | fromJsonArray) -}}
{{- if not .file }}
- secret:
    name: {{ .secret | quote }}
    items: [{key: {{ .key | quote }}, path: {{ .name }}}]
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
