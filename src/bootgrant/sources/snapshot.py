"""One state of a machines folder, checked: its entries, what each is made of, and which of them can be served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bootgrant.machines.finish.redaction import NO_SECRETS, KnownSecrets, secret_value, told_without
from bootgrant.machines.finish.rendering import (
    Compose,
    Content,
    Finished,
    Recipe,
    Templates,
    commands,
    composed,
    finished,
    in_python,
    parts_of,
    sample_identity,
)
from bootgrant.machines.finish.validation import Rules
from bootgrant.machines.site.findings import Finding, SiteBroken, errors
from bootgrant.machines.site.layers import LayerFile, Listing, layer_files
from bootgrant.machines.site.model import MODEL, MODELS, Entry, parse_site
from bootgrant.machines.site.selection import Selector, ties
from bootgrant.sources.finished_files import finished_entries, is_of_one_machine
from bootgrant.sources.secret_files import SecretFiles
from bootgrant.sources.site_values import SiteValues
from bootgrant.sources.tree import Tree
from bootgrant.wire.identity import MachineIdentity


@dataclass(frozen=True, slots=True)
class Workshop:
    """How configurations are made at this site. ``composer`` is its name for the audit."""

    secret_files: SecretFiles = field(default_factory=SecretFiles)
    values: SiteValues = field(default_factory=SiteValues)
    rules: Rules = field(default_factory=Rules)
    compose: Compose = in_python
    composer: str = "bootgrant"
    templates: Templates = field(default_factory=Templates)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What trying out an entry showed. ``problem`` is why it cannot be served; None when it can."""

    machine_type: str = ""
    uses_machine: bool = False
    warnings: tuple[Finding, ...] = ()
    problem: SiteBroken | None = None


class Snapshot:
    """A state that does not change any more. Making one raises nothing: what is wrong is in it."""

    def __init__(self, tree: Tree, workshop: Workshop, before: Snapshot | None = None) -> None:
        self.revision = tree.revision
        self.tree = tree
        self._workshop = workshop
        models = {path: raw for path, raw in tree.files.items() if is_model(path)}
        site = parse_site(models)
        finished = {path: raw for path, raw in tree.files.items() if not models or is_of_one_machine(path)}
        entries = (*site.entries, *finished_entries(finished))
        self.has_model = bool(models)
        self.entries: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        self.selector = Selector(entries)
        self.listing = Listing(path for path in tree.files if not is_model(path))
        self.findings: list[Finding] = [*site.findings, *ties(entries)]
        self.contents: dict[str, Content] = {}
        self._recipes: dict[str, Recipe] = {}
        self.keys: dict[str, str] = {}
        self.verdicts: dict[str, Verdict] = {}
        if before is not None:
            # What is opened already need not be opened again, and a program need not run again for it.
            same = (path for path in before.contents if tree.files.get(path) == before.tree.files[path])
            self.contents |= {path: before.contents[path] for path in same}
        for entry in entries:
            self.verdicts[entry.name] = self._judge(entry, before)

    @property
    def broken(self) -> set[str]:
        """Entries that cannot be served."""
        return {name for name, verdict in self.verdicts.items() if verdict.problem is not None}

    def troubles(self) -> set[str]:
        """Each thing that is wrong, by a name that stays the same until it is mended."""
        return self.broken | {f"{finding.rule} {finding.file} {finding.entry}" for finding in errors(self.findings)}

    def problems(self) -> list[Finding]:
        """Every error, the site's own first."""
        found = errors(self.findings)
        for verdict in self.verdicts.values():
            found += verdict.problem.findings if verdict.problem else ()
        return list(dict.fromkeys(found))

    def finish(self, name: str, identity: MachineIdentity) -> Finished:
        """The configuration of an entry for this machine. Raises SiteBroken; KeyError for an unknown entry."""
        verdict = self.verdicts[name]
        if verdict.problem is not None:
            raise verdict.problem
        return self._finished(self._recipes[name], identity)

    def _judge(self, entry: Entry, before: Snapshot | None) -> Verdict:
        try:
            recipe = self._recipe(entry)
            key = self.keys[entry.name] = _key(recipe)
            self._recipes[entry.name] = recipe
            if before is not None and before.keys.get(entry.name) == key and entry.name not in before.broken:
                return before.verdicts[entry.name]
            made = self._finished(recipe, sample_identity(entry))
        except SiteBroken as broken:
            return Verdict(problem=broken)
        return Verdict(made.machine_type, made.uses_machine, made.warnings)

    def _recipe(self, entry: Entry) -> Recipe:
        files, findings = layer_files(entry, self.listing)
        if findings:
            raise SiteBroken(findings)
        contents = {file.path: self._content(file) for file in files}
        # A variable without a value is not defined: a template that wants it is refused, and does not write "None".
        variables: dict[str, Any] = {name: value for name, value in entry.variables.items() if value is not None}
        secrets: KnownSecrets = NO_SECRETS
        for name, command in commands(entry).items():
            variables[name] = self._workshop.values.value(entry, name, command)
            secrets = secrets.joined(secret_value(variables[name]))
        return Recipe(entry, files, contents, variables, secrets)

    def _content(self, file: LayerFile) -> Content:
        found = self.contents.get(file.path)
        if found is None:
            found = self._workshop.secret_files.content(file.path, self.tree.files[file.path])
            self.contents[file.path] = found
        return found

    def _finished(self, recipe: Recipe, identity: MachineIdentity) -> Finished:
        known = recipe.known()
        try:
            parts = parts_of(recipe, identity, self._workshop.templates)
            known = parts.secrets
            made = composed(recipe.entry, parts.parts, self._workshop.compose)
            done = finished(recipe, parts, made, self._workshop.rules)
        except SiteBroken as broken:
            raise SiteBroken(_without_secrets(known, finding) for finding in broken.findings) from None
        if not done.warnings:
            return done
        return replace(done, warnings=tuple(_without_secrets(done.secrets, finding) for finding in done.warnings))


def _without_secrets(known: KnownSecrets, finding: Finding) -> Finding:
    return replace(finding, message=told_without(known, finding.message))


def is_model(path: str) -> bool:
    """Whether a file says which machines there are."""
    return path == MODEL or (path.startswith(f"{MODELS}/") and path.endswith((".yaml", ".yml")))


def _key(recipe: Recipe) -> str:
    """Changes whenever what the recipe makes may change."""
    entry = recipe.entry
    told: Sequence[object] = (
        entry.name,
        entry.schema,
        sorted(entry.labels.items()),
        {name: [value.text for value in values] for name, values in entry.match.items()},
        recipe.variables,
        [file.path for file in recipe.files],
    )
    digest = hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode("utf-8", "surrogatepass"))
    for file in recipe.files:
        digest.update(hashlib.sha256(recipe.contents[file.path].text).digest())
    return digest.hexdigest()
