"""Templates: what they can use, what is rejected, and that they stay within their budget."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.finish.templates import TemplateRefused, compile_template
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, UUID

MACHINE = MachineIdentity(UUID, "SN-1", MAC, "node-7")


DOUBLED = "{% set a=[1] %}" + "{% set a=[a,a] %}" * 30


def rendered(source: str, machine: MachineIdentity = MACHINE, **variables: object) -> str:
    return compile_template(source).render("cp-1", {"role": "worker"}, variables, machine)


def test_a_template_has_its_entry_and_the_approved_machine() -> None:
    source = "{{ name }} {{ labels.role }} {{ variables.address }} {{ machine.uuid }} {{ machine.hostname }}\n"
    assert rendered(source, address="10.0.0.1/24") == f"cp-1 worker 10.0.0.1/24 {UUID} node-7\n"


def test_join_has_no_separator_unless_one_is_given() -> None:
    assert rendered("{{ ['a', 1] | join }} {{ ['a', 1] | join('-') }}") == "a1 a-1"


def test_a_template_knows_whether_it_uses_the_machine() -> None:
    assert compile_template("{{ machine.mac }}").uses_machine
    assert not compile_template("{{ name }}").uses_machine


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("a\n{{ variables.addres }}\n", 2, "addres"),
        ("a\n\n{{ host }}\n", 3, "'host' is not defined"),
        ("{% if x %}\n", 1, "end"),
        ("{{ name | nope }}", 1, "nope"),
        ("a\n{% include 'x' %}", 2, "include"),
        ("{{ labels.__class__ }}", 1, "may not"),
        ("{{ ''.__class__.__mro__ }}", 1, "may not"),
        ("{{ name.format(name) }}", 1, "may not"),
        ("{{ machine._identity }}", 1, "may not"),
        ("{{ '{:999999999}'.format(1) }}", 1, "may not"),
        ("{{ machine.given() }}", 1, "not defined"),
        ("\n{{ range(10 ** 9) }}", 2, "operator"),
        ("{{ config }}", 1, "config"),
        ("{{ cycler }}", 1, "cycler"),
        ('a\n{{ "\\ud800" }}', 2, "surrogate"),
        ('a\n{% set a = "\\udfff" %}{{ a ~ name }}', 2, "surrogate"),
        ("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", 1, "."),
    ],
)
def test_an_error_in_a_template_names_its_line(source: str, line: int, says: str) -> None:
    with pytest.raises(TemplateRefused, match=says) as caught:
        rendered(source)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 9 ** 99999999 }}",
        "{% set ns = [('x',)] %}{% for i in range(60) %}{% for x in ns %}{{ x * 2 }}{% endfor %}{% endfor %}",
        "{% macro g(s, n) %}{% if n %}{{ g(s ~ s, n - 1) }}{% else %}{{ s }}{% endif %}{% endmacro %}{{ g('ab', 60) }}",
        "{% macro g(s, n) %}{% if n %}{{ g(s + s, n - 1) }}{% endif %}{% endmacro %}{{ g('abcd', 60) }}",
        "{{ ('a,' * 3) }}",
        "{{ 'aaaa' | replace('a', 'b' | indent(9999)) }}",
        "{{ range(99999) | map('string') | join('x') | replace('x', range(99999) | join) }}",
        "{% for a in range(400) recursive %}{{ loop(range(400)) }}{% endfor %}",
        DOUBLED + "{{ a }}",
        DOUBLED + "{{ a | tojson }}",
        DOUBLED + "{{ a | string }}",
        DOUBLED + "{{ a | join }}",
        DOUBLED + "{{ a ~ a }}",
        DOUBLED + "{{ a | upper }}",
        "{% set a=[1] %}{% set b=[1] %}" + "{% set a=[a,a] %}{% set b=[b,b] %}" * 30 + "{% if a == b %}x{% endif %}",
        "{% set a={'k': 1} %}" + "{% set a={'k': a, 'l': a} %}" * 30 + "{{ a | tojson }}",
        "{% set a=(1, 2) %}" + "{% set a=(a, a) %}" * 30 + "{{ a | tojson }}",
        "{% set a=[1] %}" + "{% set a=a + [a] %}" * 40 + "{{ a | tojson }}",
        "{% set a=range(99999) | list %}{{ [a, a, a] | sum(start=[]) | length }}",
        "{% for i in range(9999) %}{% if range(99999) | map('string') | list %}{% endif %}{% endfor %}",
        "{% set x %}{% for i in range(99999) %}" + "y" * 9999 + "{% endfor %}{% endset %}{{ x | length }}",
        "{% set s %}"
        + "y" * 99999
        + "{% endset %}{% set x %}{% for i in range(99999) %}{{ s }}{% endfor %}{% endset %}",
        "{% set s = '" + "y" * 99999 + "' %}{% for i in range(99999) %}{% set t = s | upper %}{% endfor %}",
        "{{ {'a': [1]} | tojson(indent=999999999) }}",
        "{% set _bootgrant_budget = 1 %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set budget = 1 %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ (5).to_bytes(5000000000, 'big') | length }}",
        "{{ (5).bit_length() }}",
        "{{ range(99999).index(5) }}",
        "{{ [1, 2].copy() | length }}",
        "{{ [1].count(1) }}",
        "{{ variables.fromkeys(range(99999)) | length }}",
        "{% for i in range(9999) %}{% set x = variables.fromkeys(range(99999)) %}{% endfor %}",
        "{% set s %}" + "a b" * 99999 + "{% endset %}{% for i in range(9999) %}{% set x = s.split() %}{% endfor %}",
        "{% set s %}" + "ab" * 99999 + "{% endset %}{% for i in range(9999) %}{% set x = s.title() %}{% endfor %}",
        "{% set s %}" + "ß" * 99999 + "{% endset %}{% for i in range(9999) %}{% set x = s.casefold() %}{% endfor %}",
        "{% set s %}" + "ab" * 99999 + "{% endset %}{% for i in range(99999) %}{% set x = s[1:] %}{% endfor %}",
        "{% set l = range(99999) | list %}{% for i in range(99999) %}{% set x = l[::-1] %}{% endfor %}",
        "{% set s %}" + "a" * 99999 + "{% endset %}{{ s.strip(s) }}",
        "{% set s %}" + "a" * 99999 + "{% endset %}{{ s | trim(s) }}",
        "{{ 1 | round(1000000000, 'ceil') }}",
        "{% set s %}" + "f" * 9999 + "{% endset %}{{ s | int(base=16) }}",
        "{{ 0x" + "f" * 9999 + " }}",
        "{{ " + "9" * 9999 + " }}",
        "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}",
        "{{ range(99999) | select('in', range(99999) | list) | list | length }}",
        "{{ range(99999) | map('replace', '1', 'x' * 9) | list | length }}",
        "{% set s %}" + "y" * 9999 + "{% endset %}{{ range(99999) | map('string') | map('replace', '1', s) | list }}",
        "{% set s %}"
        + "y" * 9999
        + "{% endset %}{{ range(99999) | map('default', s) | map('upper') | list | tojson }}",
        "{% for a in range(9) recursive %}{% if a == 0 %}{{ loop(range(99999)) }}{% endif %}{% endfor %}",
        "{% set l = range(9999) | list %}{% for i in range(99999) %}{% if loop.changed(l) %}{% endif %}{% endfor %}",
        "{% set l = range(9999) | list %}{% for i in range(99999) %}{% if i is in(l) %}{% endif %}{% endfor %}",
        "{{ '%s' % range(9) }}",
        "{{ '%-1000000000s' | format('x') }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x'.zfill(1000000000) }}",
        "{{ '\t'.expandtabs(1000000000) }}",
        "{{ 'a' | center(1000000000) }}",
        "{{ " + '"' * 999_998 + " }}",
        "{{ " + "[" * 9999 + "]" * 9999 + " }}",
        "{{ 1" + " + 1" * 30_000 + " }}",
        "{{ a" + ".b" * 200_000 + " }}",
        "{% if 1 %}" * 20_000 + "{% endif %}" * 20_000,
        "{{ name" + " | upper" * 20_000 + " }}",
    ],
)
def test_a_template_that_loops_or_grows_is_stopped(source: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateRefused):
        rendered(source)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a\n{% for a in range(99999) %}\n{% for b in range(99999) %}x\n{% endfor %}{% endfor %}", 3),
        ("a\n\n{{ (5).to_bytes(5000000000, 'big') }}", 3),
        ("a\n{{ [1, 2].copy() | length }}", 2),
        ("a\n\n\n{{ " + '"' * 999_998 + " }}", 4),
    ],
)
def test_the_line_of_what_was_stopped_is_named(source: str, line: int) -> None:
    assert refused_at(source) == line


def test_a_template_reads_mappings_texts_and_loops_by_the_methods_that_are_allowed() -> None:
    source = (
        "{% for key, value in variables.m.items() %}{{ loop.index }}{{ key }}={{ value }}"
        "{{ ',' if not loop.last }}{% endfor %} {{ variables.m.get('z', 'none') }} "
        "{{ variables.m.keys() | join('+') }} "
        "{{ variables.m.values() | sum }} {{ name.split('-')[1] }} {{ name[:2] }} {{ variables.l[1:] | join }} "
        "{{ name.upper().strip('1').rpartition('-')[0] }} {{ 3.14159 | round(2) }} {{ '42' | int + 1 }} "
        "{{ 3 is divisibleby 3 }} {{ 'a' is in ['a', 'b'] }} {{ variables.l | select('gt', 1) | list | length }}"
    )
    text = "1a=1,2b=2 none a+b 3 1 cp 23 CP 3.14 43 True True 2"
    assert rendered(source, m={"a": 1, "b": 2}, l=[1, 2, 3]) == text


@pytest.mark.parametrize("hostname", ["a\nmachine:", "a: b", "{x}", "$(reboot)", "a b", "ä"])
def test_a_value_reported_by_the_machine_must_be_a_plain_word(hostname: str) -> None:
    with pytest.raises(TemplateRefused, match="only letters"):
        rendered("{{ machine.hostname }}", MachineIdentity(hostname=hostname))


def test_a_value_that_the_machine_does_not_report_is_an_error() -> None:
    with pytest.raises(TemplateRefused, match="this machine reports no serial"):
        rendered("{{ machine.serial }}", MachineIdentity(UUID))


def test_common_filters_work() -> None:
    source = "{{ variables.ips | join(', ') }} {{ name | upper | b64encode }} {{ variables.n | default(3) }}"
    assert rendered(source, ips=["a", "b"], n=4) == "a, b Q1AtMQ== 4"
    assert rendered("{{ 'a\nb' | indent(2) }}|{{ variables.x | tojson }}", x={"a": 1}) == 'a\n  b|{"a": 1}'
    assert rendered("{% for ip in variables.ips %}{{ loop.index }}={{ ip }};{% endfor %}", ips="xy") == "1=x;2=y;"


@settings(max_examples=100, deadline=None)
@given(st.text("{}%#- .|()[]'0123+*~abnme_\n", max_size=60))
def test_any_text_is_rendered_or_rejected(source: str) -> None:
    assert refused_at(source) >= 0


def refused_at(source: str) -> int:
    try:
        rendered(source)
    except TemplateRefused as refused:
        return refused.line
    return 0


@pytest.mark.parametrize("source", ["{{ [1] }}", "{{ {'a': 1} }}", "{{ variables.x }}", "{{ ['a', ['b']] | join }}"])
def test_a_list_or_mapping_is_not_written_as_python(source: str) -> None:
    with pytest.raises(TemplateRefused, match="use `tojson`, or `join`"):
        rendered(source, x=["a"])


def test_null_is_not_written_as_none() -> None:
    with pytest.raises(TemplateRefused, match="null"):
        rendered("{{ variables.x.y }}", x={"y": None})


def test_a_template_over_a_thousand_hosts_is_within_the_budget() -> None:
    hosts = [{"name": f"node-{number}", "ip": f"10.0.0.{number}"} for number in range(1000)]
    source = "{% for h in variables.hosts | sort(attribute='name') %}{{ h.ip }} {{ h.name | upper }}\n{% endfor %}"
    assert rendered(source, hosts=hosts).count("\n") == 1000
    source = "{% for h in variables.hosts %}{{ h.name in variables.some }}{% endfor %}"
    assert rendered(source, hosts=hosts, some=["node-x"] * 1000) == "False" * 1000
    assert len(rendered("{{ variables.hosts | tojson }}" + "#" * 500_000, hosts=hosts)) > 500_000
    assert (
        rendered("{{ variables.n | sum }} {{ 1.5 }} {{ true }} {{ variables.n | length }}", n=[1, 2]) == "3 1.5 True 2"
    )
