"""One entry's configuration, from the contents of its layers to what is served: templates, composing, validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootgrant.machines.finish.redaction import NO_SECRETS, KnownSecrets, is_found_as_it_is, secrets_of
from bootgrant.machines.finish.templates import Template, TemplateRefused, compile_template
from bootgrant.machines.finish.validation import Fault, Rules, judged
from bootgrant.machines.site.findings import Finding, SiteBroken, error, errors, warning
from bootgrant.machines.site.layers import LayerFile
from bootgrant.machines.site.model import Command, Entry, Schema
from bootgrant.machines.site.pattern import Pattern, common
from bootgrant.machines.talos.composing import Composed, ComposeError, Part, compose, compose_plain
from bootgrant.machines.yaml.marked import MarkedError, decoded
from bootgrant.wire.identity import MachineIdentity

Compose = Callable[[Schema, Sequence[Part]], Composed]
"""Puts parts together. Raises ComposeError."""


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """A file of a layer in clear, and what of it is secret because it was encrypted."""

    text: bytes
    secrets: KnownSecrets = NO_SECRETS


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """A configuration that may be served. ``uses_machine``: another machine of this entry may get another one."""

    config: bytes
    machine_type: str
    uses_machine: bool
    secrets: KnownSecrets
    origins: Mapping[str, str]
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Recipe:
    """What an entry is made of: its files and their contents, and the values of its variables."""

    entry: Entry
    files: Sequence[LayerFile]
    contents: Mapping[str, Content]
    variables: Mapping[str, Any]
    secrets: KnownSecrets

    def known(self) -> KnownSecrets:
        """What of it is secret: values of programs, and everything in encrypted files."""
        known = self.secrets
        for file in self.files:
            known = known.joined(self.contents[file.path].secrets)
        return known


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """What the files of a recipe are for one machine. ``secrets``: what in them is secret, templates' texts too."""

    parts: Sequence[Part]
    uses_machine: bool
    secrets: KnownSecrets


class Templates:
    """Compiled templates by their text: entries share them."""

    def __init__(self) -> None:
        self._compiled: dict[str, Template] = {}

    def compiled(self, source: str) -> Template:
        """Raises TemplateRefused."""
        found = self._compiled.get(source)
        if found is None:
            found = self._compiled[source] = compile_template(source)
        return found


def in_python(schema: Schema, parts: Sequence[Part]) -> Composed:
    """The composer of this program."""
    return compose(parts) if schema is Schema.TALOS else compose_plain(parts, schema.value)


def parts_of(recipe: Recipe, identity: MachineIdentity, templates: Templates) -> Parts:
    """The parts in their order, whether they depend on the machine, and what is secret. Raises SiteBroken."""
    parts: list[Part] = []
    uses_machine = False
    secrets = recipe.known()
    for file in recipe.files:
        content = recipe.contents[file.path].text
        if file.is_template:
            content, template = _from_template(recipe, file, content, identity, templates)
            uses_machine = uses_machine or template.uses_machine
            if _hides_secrets(recipe, file, template):
                secrets = secrets.joined(secrets_of(content))
        if recipe.entry.schema is Schema.TEXT or not _says_nothing(content):
            parts.append(Part(file.path, content))
    if not parts:
        told = "all files of its layers are empty: put its configuration into one"
        raise SiteBroken([error("empty", told, recipe.entry.file, recipe.entry.line, recipe.entry.name)])
    return Parts(parts, uses_machine, secrets)


def _hides_secrets(recipe: Recipe, file: LayerFile, template: Template) -> bool:
    """Whether secrets are in a template's text in another form than that in which they are known."""
    if recipe.contents[file.path].secrets != NO_SECRETS:
        return True
    return any(
        template.may_change(name) or (template.names(name) and not is_found_as_it_is(recipe.variables[name]))
        for name in commands(recipe.entry)
    )


def _from_template(
    recipe: Recipe, file: LayerFile, content: bytes, identity: MachineIdentity, templates: Templates
) -> tuple[bytes, Template]:
    entry = recipe.entry
    try:
        template = templates.compiled(decoded(content))
        text = template.render(entry.name, entry.labels, recipe.variables, identity)
    except MarkedError as broken:
        raise SiteBroken([error("template", broken.message, file.path, broken.line, entry.name)]) from None
    except TemplateRefused as refused:
        raise SiteBroken([error("template", refused.message, file.path, refused.line, entry.name)]) from None
    return text.encode(), template


def _says_nothing(content: bytes) -> bool:
    """Blank, or comments alone: as a patch Talos would refuse it, or reformat everything."""
    lines = (line.strip() for line in content.splitlines())
    return all(not line or line.startswith(b"#") or line in (b"---", b"...", b"{}", b"[]", b"null") for line in lines)


def composed(entry: Entry, parts: Sequence[Part], compose_parts: Compose) -> Composed:
    """Raises SiteBroken, with the part and the line that cannot be used."""
    try:
        return compose_parts(entry.schema, parts)
    except ComposeError as wrong:
        raise SiteBroken([error("compose", wrong.message, wrong.part, wrong.line or 0, entry.name)]) from None


def finished(recipe: Recipe, parts: Parts, made: Composed, rules: Rules) -> Finished:
    """The composed configuration, if it may be served. Raises SiteBroken."""
    entry = recipe.entry
    judgement = judged(made.config, entry.schema, rules)
    found = [_finding(recipe, parts, made, fault) for fault in judgement.faults]
    if wrong := errors(found):
        raise SiteBroken(wrong)
    surprises = tuple(
        warning("surprise", f"{surprise.path}: {surprise.message}", surprise.part, 0, entry.name)
        for surprise in made.surprises
    )
    return Finished(
        made.config, judgement.machine_type, parts.uses_machine, parts.secrets, made.origins, (*found, *surprises)
    )


def _finding(recipe: Recipe, parts: Parts, made: Composed, fault: Fault) -> Finding:
    """What is wrong with the whole, at its entry; where one file is served as it is, in that file's line."""
    entry, only = recipe.entry, parts.parts[0]
    say, rule = (error, "invalid") if fault.is_fatal else (warning, "schema")
    templates = {file.path for file in recipe.files if file.is_template}
    if made.config == only.content and only.name not in templates:
        return say(rule, fault.message, only.name, fault.line, entry.name)
    told = f"{fault.message} (line {fault.line} of the finished configuration)"
    return say(rule, told, entry.file, entry.line, entry.name)


def commands(entry: Entry) -> dict[str, Command]:
    """The variables whose values programs of the site print."""
    return {name: value for name, value in entry.variables.items() if isinstance(value, Command)}


def sample_identity(entry: Entry) -> MachineIdentity:
    """A machine that could get this entry, for trying out its configuration before one asks."""
    plausible = {
        "uuid": "5a3b1c00-0000-4000-8000-00000000000a",
        "serial": "SAMPLE-1",
        "mac": "52:54:00:00:00:0a",
        "hostname": entry.name,
    }
    matching = {name: _sample(values[0]) for name, values in entry.match.items()}
    return MachineIdentity(**(plausible | matching))


def _sample(one: Pattern) -> str:
    return one.text if one.is_exact else common(one, one) or one.text.replace("*", "x").replace("?", "x")
