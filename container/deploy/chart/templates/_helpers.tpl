{{/* The plugin lets pods of this name start without the agent: it is not for the release to choose. */}}
{{- define "mesh-intercept.agent" -}}
mesh-intercept-agent
{{- end }}

{{/* Is anything done in other namespaces? What that takes is left out otherwise. */}}
{{- define "mesh-intercept.repairs" -}}
{{- if eq .Values.repair.mode "repair" }}true{{ end }}
{{- end }}

{{- define "mesh-intercept.capabilities" -}}
{{- $capabilities := .Values.extraCapabilities }}
{{- if include "mesh-intercept.repairs" . }}
{{- $capabilities = concat (list "NET_ADMIN" "SYS_ADMIN" "SYS_PTRACE") $capabilities }}
{{- end }}
{{- toJson $capabilities }}
{{- end }}
