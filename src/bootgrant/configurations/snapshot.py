"""One revision of the configurations, checked: its entries, what each is made of, and which can be served.

``Snapshot.finish`` is the way of one configuration: entry, layers, rendered parts, composed document, finished bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bootgrant.configurations.finished_files import schema_of
from bootgrant.configurations.verdicts import Judged, Verdict
from bootgrant.machines.finish.redaction import NO_SECRETS, KnownSecrets, secret_value, without_secrets
from bootgrant.machines.finish.rendering import (
    MADE_AT_DELIVERY,
    Compose,
    Content,
    Finished,
    Recipe,
    Templates,
    commands,
    composed,
    finished,
    in_python,
    mintings,
    parts_of,
    sample_identity,
)
from bootgrant.machines.finish.validation import Rules
from bootgrant.machines.site.files import LayerFile, Listing, finished_entries, layer_files, names_one_machine
from bootgrant.machines.site.findings import Finding, SiteBroken, errors
from bootgrant.machines.site.model import MODEL, MODELS, Entry, parse_site
from bootgrant.machines.site.selection import Selector, ties
from bootgrant.machines.yaml.reading import parse_yaml
from bootgrant.ports.origins import Decrypter, Programs, Tree
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a site makes configurations with; ``composer`` is the name of ``compose`` in the audit."""

    decrypter: Decrypter
    programs: Programs
    rules: Rules = field(default_factory=Rules)
    compose: Compose = in_python
    composer: str = "bootgrant"
    templates: Templates = field(default_factory=Templates)
    observe: Callable[[str], None] = lambda _: None
    """Called with the file that is worked on from here on; an empty text after the last."""


class Snapshot(Judged):
    """A revision that no longer changes. Building one never raises: ``problems`` returns what is wrong.

    ``before`` is the snapshot in use: what it decrypted and tried is not done again for files that are the same.
    Without ``tries_entries``, its owner calls ``try_entry`` for each entry, or sets its verdict.
    """

    def __init__(
        self, tree: Tree, toolbox: Toolbox, before: Snapshot | None = None, *, tries_entries: bool = True
    ) -> None:
        self.revision = tree.revision
        self.tree = tree
        self.toolbox = toolbox
        models = {path: raw for path, raw in tree.files.items() if is_model(path)}
        site = parse_site(models)
        names = (path for path in tree.files if not models or names_one_machine(path))
        entries = (*site.entries, *finished_entries(names, lambda name: schema_of(parse_yaml(tree.files[name]))))
        self.has_model = bool(models)
        self.has_every_entry = not errors(site.findings)
        self.entries: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        self.selector = Selector(entries)
        self.listing = Listing((path for path in tree.files if not is_model(path)), tree.submodules)
        self.findings: list[Finding] = [*site.findings, *ties(entries)]
        self.contents: dict[str, Content] = {}
        self._recipes: dict[str, Recipe] = {}
        self.keys: dict[str, str] = {}
        self.verdicts: dict[str, Verdict] = {}
        if before is not None:
            same = (path for path in before.contents if tree.files.get(path) == before.tree.files[path])
            self.contents |= {path: before.contents[path] for path in same}
        for entry in entries if tries_entries else ():
            self.verdicts[entry.name] = self.try_entry(entry.name, partial(_known, before, entry.name))

    def finish(
        self, name: str, identity: MachineIdentity, made: Mapping[str, Secret] | None = None, *, warns: bool = True
    ) -> Finished:
        """Return an entry's configuration for a machine. Raises SiteBroken; KeyError for an unknown entry.

        ``made`` are the values that were made for this delivery; without them it has MADE_AT_DELIVERY in their place.
        Unless it ``warns``, the warnings of the validation are left out.
        """
        verdict = self.verdicts[name]
        if verdict.problem is not None:
            raise verdict.problem
        if name not in self._recipes:
            self._recipes[name] = self._recipe(self.entries[name])
        recipe = self._recipes[name]
        return self._finished(_with_made(recipe, made) if made else recipe, identity, warns=warns)

    def try_entry(self, name: str, known: Callable[[str], Verdict | None]) -> Verdict:
        """Make the configuration of a sample machine, and return the verdict.

        ``known`` returns an earlier verdict for a digest of everything that the configuration depends on, or None.
        """
        entry = self.entries[name]
        try:
            recipe = self._recipe(entry)
            key = self.keys[name] = _key(recipe)
            self._recipes[name] = recipe
            verdict = known(key)
            if verdict is not None:
                return verdict
            made = self._finished(recipe, sample_identity(entry))
        except SiteBroken as broken:
            return Verdict(problem=broken)
        return Verdict(
            made.machine_type, made.uses_machine, made.warnings, mints=tuple(made.mints), precious=made.precious
        )

    def _recipe(self, entry: Entry) -> Recipe:
        """Gather the files of an entry's layers and the values of its variables. Raises SiteBroken."""
        files, findings = layer_files(entry, self.listing)
        if findings:
            raise SiteBroken(findings)
        contents = {file.path: self._content(file) for file in files}
        # A variable without a value is undefined, so that a template that uses it is refused and does not say "None".
        variables: dict[str, Any] = {name: value for name, value in entry.variables.items() if value is not None}
        secrets: KnownSecrets = NO_SECRETS
        for name, command in commands(entry).items():
            variables[name] = self.toolbox.programs.value(entry, name, command)
            secrets = secrets.joined(secret_value(variables[name]))
        for name, minting in mintings(entry).items():
            self.toolbox.programs.check(entry, name, minting)
            variables[name] = MADE_AT_DELIVERY
        return Recipe(entry, files, contents, variables, secrets)

    def _content(self, file: LayerFile) -> Content:
        found = self.contents.get(file.path)
        if found is None:
            found = self.toolbox.decrypter.decrypted(file.path, self.tree.files[file.path])
            self.contents[file.path] = found
        return found

    def _finished(self, recipe: Recipe, identity: MachineIdentity, *, warns: bool = True) -> Finished:
        """Render the layers, compose the parts, validate the result. Raises SiteBroken, without any secret in it."""
        known = recipe.known()
        observe = self.toolbox.observe
        try:
            observed = replace(recipe, contents=_Observed(recipe.contents, observe))
            parts = parts_of(observed, identity, self.toolbox.templates)
            observe("")
            known = parts.secrets
            made = composed(recipe.entry, parts.parts, self.toolbox.compose)
            done = finished(recipe, parts, made, self.toolbox.rules, warns=warns)
        except SiteBroken as broken:
            raise SiteBroken(_without_secrets(known, finding) for finding in broken.findings) from None
        if not done.warnings:
            return done
        return replace(done, warnings=tuple(_without_secrets(done.secrets, finding) for finding in done.warnings))


def _with_made(recipe: Recipe, made: Mapping[str, Secret]) -> Recipe:
    values = {name: value.reveal() for name, value in made.items()}
    secrets = recipe.secrets
    for value in values.values():
        secrets = secrets.joined(secret_value(value))
    return replace(recipe, variables={**recipe.variables, **values}, secrets=secrets)


class _Observed(dict[str, Content]):
    """The contents of a recipe; ``observe`` is called with each file that is looked at."""

    def __init__(self, contents: Mapping[str, Content], observe: Callable[[str], None]) -> None:
        super().__init__(contents)
        self._observe = observe

    def __getitem__(self, path: str) -> Content:
        self._observe(path)
        return super().__getitem__(path)


def _known(before: Snapshot | None, name: str, key: str) -> Verdict | None:
    """The verdict of the snapshot before, if the entry is the same and could be served."""
    if before is None or before.keys.get(name) != key:
        return None
    verdict = before.verdicts[name]
    return verdict if verdict.problem is None else None


def _without_secrets(known: KnownSecrets, finding: Finding) -> Finding:
    return replace(finding, message=without_secrets(known, finding.message))


def is_model(path: str) -> bool:
    """Whether a file lists machines: ``machines.yaml``, or a file of ``entries/``."""
    return path == MODEL or (path.startswith(f"{MODELS}/") and path.endswith((".yaml", ".yml")))


def _key(recipe: Recipe) -> str:
    """A digest of everything that the configuration depends on."""
    entry = recipe.entry
    inputs: Sequence[object] = (
        entry.name,
        entry.schema,
        entry.talos,
        entry.names_talos,
        sorted(entry.labels.items()),
        {name: [value.text for value in values] for name, values in entry.match.items()},
        recipe.variables,
        [file.path for file in recipe.files],
    )
    digest = hashlib.sha256(json.dumps(inputs, default=str, sort_keys=True).encode("utf-8", "surrogatepass"))
    for file in recipe.files:
        digest.update(hashlib.sha256(recipe.contents[file.path].text).digest())
    return digest.hexdigest()
