"""Turn the layers of an entry into the configuration that is served: render templates, compose, validate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bootgrant.machines.finish.leftovers import leftovers
from bootgrant.machines.finish.places import Source, label_of, place_of, source_of
from bootgrant.machines.finish.redaction import NO_SECRETS, KnownSecrets, is_written_verbatim, secrets_of
from bootgrant.machines.finish.templates import Template, TemplateRefused, compile_template
from bootgrant.machines.finish.validation import Fault, Rules, judge
from bootgrant.machines.site.files import LayerFile
from bootgrant.machines.site.findings import Finding, SiteBroken, error, errors, note, warning
from bootgrant.machines.site.model import Entry, Schema
from bootgrant.machines.site.pattern import Pattern, common
from bootgrant.machines.site.variables import Command, Minting
from bootgrant.machines.talos.composing import Composed, compose, compose_plain
from bootgrant.machines.talos.documents import ComposeError, Part
from bootgrant.machines.talos.tables import NEWEST
from bootgrant.machines.yaml.reading import ParsedYaml, YamlError, decode, parse_yaml
from bootgrant.wire.identity import MachineIdentity

MADE_AT_DELIVERY: Final = "made-at-delivery"
"""What a configuration has in place of a value that is made when a machine fetches it."""

Compose = Callable[[Schema, Sequence[Part], str], Composed]
"""Composes parts, those of a Talos configuration for a release such as ``1.12``. Raises ComposeError."""


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """A file of a layer, decrypted, and its secrets if it was encrypted."""

    text: bytes
    secrets: KnownSecrets = NO_SECRETS


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """A configuration that may be served. ``uses_machine``: it may differ between machines with the same entry.

    ``precious``: the fields with a private key or secret of a cluster. ``release``: the version of Talos, if it is one.
    """

    parsed: ParsedYaml
    machine_type: str
    uses_machine: bool
    secrets: KnownSecrets
    origins: Mapping[str, str]
    warnings: tuple[Finding, ...] = ()
    mints: Mapping[str, Minting] = field(default_factory=dict)
    """The variables in it whose values are made at delivery. Here they have the value MADE_AT_DELIVERY."""
    precious: tuple[str, ...] = ()
    schema: Schema = Schema.TALOS
    release: str = NEWEST

    @property
    def config(self) -> bytes:
        return self.parsed.content


@dataclass(frozen=True, slots=True, repr=False)
class Recipe:
    """An entry, its files and their contents, and the values of its variables."""

    entry: Entry
    files: Sequence[LayerFile]
    contents: Mapping[str, Content]
    variables: Mapping[str, Any]
    secrets: KnownSecrets

    def known(self) -> KnownSecrets:
        """Return the secrets in it: output of commands, and everything in encrypted files."""
        known = self.secrets
        for file in self.files:
            known = known.joined(self.contents[file.path].secrets)
        return known


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """The files of a recipe, rendered for one machine, the secrets in them, and warnings about single files."""

    parts: Sequence[Part]
    uses_machine: bool
    secrets: KnownSecrets
    mints: Mapping[str, Minting]
    warnings: tuple[Finding, ...] = ()


class Templates(dict[str, Template]):
    """Compiled templates by their text, shared between entries. Raises TemplateRefused for one that is not valid."""

    def __missing__(self, source: str) -> Template:
        template = self[source] = compile_template(source)
        return template


def in_python(schema: Schema, parts: Sequence[Part], release: str = NEWEST) -> Composed:
    """Compose with the built-in composer. Raises ComposeError."""
    return compose(parts, release) if schema is Schema.TALOS else compose_plain(parts, schema.value)


def parts_of(recipe: Recipe, identity: MachineIdentity, templates: Templates) -> Parts:
    """Render the files of a recipe. Raises SiteBroken."""
    parts: list[Part] = []
    left: list[Finding] = []
    uses_machine = False
    secrets = recipe.known()
    mints: dict[str, Minting] = {}
    for file in recipe.files:
        content = recipe.contents[file.path].text
        if file.is_template:
            content, template = _from_template(recipe, file, content, identity, templates)
            uses_machine = uses_machine or template.uses_machine
            mints |= {name: minting for name, minting in mintings(recipe.entry).items() if template.names(name)}
            if _hides_secrets(recipe, file, template):
                secrets = secrets.joined(secrets_of(content))
        left += _left(recipe, file, content)
        if recipe.entry.schema is Schema.TEXT or not _is_blank(content):
            parts.append(Part(file.path, content))
    if wrong := errors(left):
        raise SiteBroken(wrong)
    if not parts:
        message = "all files of its layers are empty: write its configuration into one of them"
        raise SiteBroken([error("empty", message, recipe.entry.file, recipe.entry.line, recipe.entry.name)])
    return Parts(parts, uses_machine, secrets, mints, tuple(left))


def _left(recipe: Recipe, file: LayerFile, content: bytes) -> Iterator[Finding]:
    """Yield a finding for everything that another tool left in a file. The lines of a rendered template are not its."""
    for one in leftovers(file.path, content, recipe.entry.schema):
        finding = error if one.is_fatal else warning
        message = f"{one.message} (line {one.line} after rendering)" if file.is_template else one.message
        yield finding(one.rule, message, file.path, 0 if file.is_template else one.line, recipe.entry.name)


def _hides_secrets(recipe: Recipe, file: LayerFile, template: Template) -> bool:
    """Whether the text of a template may contain secrets in another form than the known one."""
    if recipe.contents[file.path].secrets != NO_SECRETS:
        return True
    return any(
        template.may_change(name) or (template.names(name) and not is_written_verbatim(recipe.variables[name]))
        for name in (*commands(recipe.entry), *mintings(recipe.entry))
        if name in recipe.variables
    )


def _from_template(
    recipe: Recipe, file: LayerFile, content: bytes, identity: MachineIdentity, templates: Templates
) -> tuple[bytes, Template]:
    entry = recipe.entry
    try:
        template = templates[decode(content)]
        text = template.render(entry.name, entry.labels, recipe.variables, identity)
    except YamlError as broken:
        raise SiteBroken([error("template", broken.message, file.path, broken.line or 0, entry.name)]) from None
    except TemplateRefused as refused:
        raise SiteBroken([error("template", refused.message, file.path, refused.line, entry.name)]) from None
    return text.encode(), template


def _is_blank(content: bytes) -> bool:
    """Whether a part has only comments and empty documents. As a patch, Talos rejects it or reformats everything."""
    lines = (line.strip() for line in content.splitlines())
    return all(not line or line.startswith(b"#") or line in (b"---", b"...", b"{}", b"[]", b"null") for line in lines)


def composed(entry: Entry, parts: Sequence[Part], compose_parts: Compose) -> Composed:
    """Compose parts. Raises SiteBroken with the part and the line of the error."""
    try:
        return compose_parts(entry.schema, parts, entry.talos)
    except ComposeError as wrong:
        raise SiteBroken([error("compose", wrong.message, wrong.part, wrong.line or 0, entry.name)]) from None


def finished(recipe: Recipe, parts: Parts, made: Composed, rules: Rules, *, warns: bool = True) -> Finished:
    """Validate a composed configuration. Raises SiteBroken if it must not be served.

    Unless it ``warns``, nothing but errors is looked up in the layers: that takes as long as all the rest.
    """
    entry = recipe.entry
    parsed = parse_yaml(made.config)
    judgement = judge(parsed, entry.schema, rules, entry.talos if entry.names_talos else "")
    faults = [fault for fault in judgement.faults if fault.is_fatal or warns]
    found = [_finding(recipe, parts, made, parsed, fault) for fault in faults]
    if wrong := errors(found):
        raise SiteBroken(wrong)
    surprises = tuple(
        warning("surprise", f"{surprise.path}: {surprise.message}", surprise.part, 0, entry.name)
        for surprise in made.surprises
    )
    noted = _not_checked(entry, judgement.unchecked)
    return Finished(
        parsed,
        judgement.machine_type,
        parts.uses_machine,
        parts.secrets,
        made.origins,
        (*parts.warnings, *found, *surprises, *noted),
        parts.mints,
        judgement.precious,
        entry.schema,
        entry.talos,
    )


def _finding(recipe: Recipe, parts: Parts, made: Composed, parsed: ParsedYaml, fault: Fault) -> Finding:
    """Return a finding for a fault: in the file where the value was written if that is known, else at the entry."""
    entry, only = recipe.entry, parts.parts[0]
    finding = error if fault.is_fatal else note if fault.is_note else warning
    rule = "invalid" if fault.is_fatal else fault.rule
    templates = {file.path for file in recipe.files if file.is_template}
    if made.config == only.content and only.name not in templates:
        return finding(rule, fault.message, only.name, fault.line, entry.name)
    source = _source(parts, made, parsed, fault)
    if source is None:
        message = f"{fault.message} (line {fault.line} of the finished configuration)"
        return finding(rule, message, entry.file, entry.line, entry.name)
    if source.part in templates:
        return finding(rule, f"{fault.message} (line {source.line} after rendering)", source.part, 0, entry.name)
    return finding(rule, fault.message, source.part, source.line, entry.name)


def _source(parts: Parts, made: Composed, parsed: ParsedYaml, fault: Fault) -> Source | None:
    roots = [root for root in parsed.documents if label_of(root) == fault.document]
    if not roots:
        return None
    if made.config == parts.parts[0].content:
        return Source(parts.parts[0].name, fault.line)
    return source_of(fault.document, place_of(roots[0], fault.path), parts.parts, made.origins)


def _not_checked(entry: Entry, unchecked: Sequence[str]) -> Sequence[Finding]:
    if not unchecked:
        return ()
    what = "1 thing was" if len(unchecked) == 1 else f"{len(unchecked)} things were"
    return (note("unchecked", f"{what} not checked: {'; '.join(unchecked)}", entry.file, entry.line, entry.name),)


def commands(entry: Entry) -> dict[str, Command]:
    """Return the variables whose values are the output of a command."""
    return {name: value for name, value in entry.variables.items() if isinstance(value, Command)}


def mintings(entry: Entry) -> dict[str, Minting]:
    """Return the variables whose values are made at delivery."""
    return {name: value for name, value in entry.variables.items() if isinstance(value, Minting)}


def sample_identity(entry: Entry) -> MachineIdentity:
    """Return a machine that could get this entry, to try out its configuration."""
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


def unset_variables(entries: Iterable[Entry]) -> list[Finding]:
    """Return a warning for each variable without a value."""
    unset = [(entry, name) for entry in entries for name, value in entry.variables.items() if value is None]
    message = "the variable {} has no value: a template that uses it is rejected"
    return [warning("no-value", message.format(name), entry.file, entry.line, entry.name) for entry, name in unset]
