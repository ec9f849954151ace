"""Go templates that insert values become Jinja2; the others are left to a person."""

from __future__ import annotations

import pytest

from bootgrant.machines.importing.go_templates import NotSimple, to_jinja


@pytest.mark.parametrize(
    ("go", "jinja"),
    [
        ("host: {{ .Node.Host }}", "host: {{ name }}"),
        ("host: {{.Node.Host}}", "host: {{ name }}"),
        ("a: {{- .Data.region -}}", "a: {{- variables.region -}}"),
        ("a: {{ .Node.Data.disk | quote }}", "a: {{ variables.disk | tojson }}"),
        ("a: {{ .ClusterName }}-{{ .Node.Role }}", "a: {{ variables.cluster_name }}-{{ labels.role }}"),
        ("{{- /* why */ -}}\na: 1", "{#- why -#}\na: 1"),
        ("a: 1\n", "a: 1\n"),
    ],
)
def test_inserted_values_are_translated(go: str, jinja: str) -> None:
    assert to_jinja(go) == jinja


@pytest.mark.parametrize(
    "go",
    [
        "{{ if .Data.a }}x{{ end }}",
        '{{ env "A" }}',
        "{{ range .Data.a }}",
        "{{ .Data.a.b }}",
        "{{ .Unknown }}",
        "{% x %}",
        "{{}}",
    ],
)
def test_what_decides_or_calls_is_refused(go: str) -> None:
    with pytest.raises(NotSimple):
        to_jinja(go)


def test_the_reason_does_not_repeat_arguments() -> None:
    with pytest.raises(NotSimple, match=r"^{{ default … }}$"):
        to_jinja('{{ default "swordfish" .Data.a }}')
