{{/* Blank values. A key that a values file leaves blank reaches the templates as nil, and its text would be "<nil>". */}}

{{/*
Gives each blank value its default, in place: every file that renders an object calls this first. A blank section, or a blank
value that says which run it is, is refused: a person who wrote it meant to fill it. Templates cannot read values.yaml, so that
defaults.yaml holds the same values without the comments.
*/}}
{{- define "rogo-migrate.fill" -}}
{{- if ne (toString .Values.enabled) "false" -}}
{{- $defaults := .Files.Get "defaults.yaml" | fromYaml -}}
{{- $blank := include "rogo-migrate.fillSection" (dict "values" .Values "defaults" $defaults "at" "") | splitList "," | compact -}}
{{- $wrong := list -}}
{{- range $blank -}}
{{- $wrong = append $wrong (printf "%s is blank: give it a value, or remove the key to get the default." .) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n- %s\nIf no values file has these keys, they come from an older chart by --reuse-values: use --reset-then-reuse-values." (join "\n- " $wrong)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fills one section and those below it; writes the names of what may not be blank, each with a comma. Arguments: values, defaults, at. */}}
{{- define "rogo-migrate.fillSection" -}}
{{- range $key, $default := .defaults -}}
{{- $name := printf "%s%s" $.at $key -}}
{{- $value := get $.values $key -}}
{{- $isBlank := or (not (hasKey $.values $key)) (kindIs "invalid" $value) -}}
{{- /* dnsConfig is one value, as a pod has it. */}}
{{- $isSection := and (kindIs "map" $default) $default (ne $name "dnsConfig") -}}
{{- if $isSection -}}
{{- if not $isBlank -}}
{{- include "rogo-migrate.fillSection" (dict "values" $value "defaults" $default "at" (printf "%s." $name)) -}}
{{- else -}}
{{- $name }},
{{- end -}}
{{- else if and $isBlank (has $name (list "generation" "run" "shards.count")) -}}
{{- $name }},
{{- else if $isBlank -}}
{{- $_ := set $.values $key $default -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where the values of this chart stand in those of the release: nothing, or as a subchart `rogo-migrate.`, its alias, or a path. */}}
{{- define "rogo-migrate.valuesPrefix" -}}
{{- $charts := .Template.BasePath | trimSuffix "/templates" | splitList "/charts/" | rest -}}
{{- with .Values.valuesPrefix }}{{ . }}{{ else }}{{ range $charts }}{{ . }}.{{ end }}{{ end -}}
{{- end -}}

{{/* The chart in printed lines. As a subchart, the name of the parent unless `chartReference` is given. */}}
{{- define "rogo-migrate.chartReference" -}}
{{- $charts := .Template.BasePath | trimSuffix "/templates" | splitList "/charts/" -}}
{{- if and (gt (len $charts) 1) (eq .Values.chartReference "charts/rogo-migrate") }}{{ first $charts }}{{ else }}{{ .Values.chartReference }}{{ end -}}
{{- end -}}
