"""Read the project of another tool from a folder, and write a machines folder. Nothing is overwritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.machines.importing import talhelper, topf
from bootgrant.machines.importing.project import ImportRefused
from bootgrant.machines.importing.secrets_bundle import bundle_of_configuration
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.service.data_folder import write_private
from bootgrant.sources.age_identities import BadRecipient, encrypted_for
from bootgrant.sources.encrypted_files import EncryptedFiles
from bootgrant.sources.folder import Folder

__all__ = ["TOOLS", "BadRecipient", "ImportRefused", "Written", "import_project"]

TOOLS: Final = ("topf", "talhelper")
_GENERATED: Final = ("clusterconfig/", "output/")
"""The folders into which talhelper and TOPF write finished configurations."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of the new folder, and what a person has to do."""

    paths: Sequence[str]
    notes: Sequence[str]


def import_project(tool: str, folder: Path, out: Path, recipients: Sequence[str]) -> Written:
    """Import a project into ``out``, with its secrets encrypted for ``recipients``; without any, they are left out.

    Raises ImportRefused, SiteBroken for a folder that cannot be read, BadRecipient, and OSError.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ImportRefused(f"{out} already exists: nothing was changed; name another folder")
    files = Folder(folder).tree().files
    notes: list[str] = []
    if tool == "topf":
        project = topf.read_project(files)
        made = topf.import_topf(files, project, _bundle(files, (project.bundle,), recipients, notes))
    else:
        made = talhelper.import_talhelper(files, _bundle(files, talhelper.BUNDLES, recipients, notes))
    found = dict(made.files)
    for path, content in made.secret_files.items():
        found[f"{path}.age"] = encrypted_for(recipients, content)
    _write(out, found)
    return Written(sorted(found), [*notes, *made.notes])


def _bundle(
    files: Mapping[str, bytes], names: Sequence[str], recipients: Sequence[str], notes: list[str]
) -> bytes | None:
    """Return the secrets bundle in clear, or None with a note that says what to do."""
    path = next((name for name in names if name in files), None)
    if not recipients:
        what = f"{path} was" if path else "the secrets of the cluster were"
        notes.append(f"{what} not carried over: repeat with --recipient age1…, which encrypts secrets for that key")
        return None
    try:
        if path is not None:
            return EncryptedFiles().decrypted(path, files[path]).text
        why = f"there is no {names[0]}"
    except SiteBroken as broken:
        why = str(broken)
    for generated in sorted(name for name in files if name.startswith(_GENERATED)):
        if found := bundle_of_configuration(files[generated]):
            notes.append(f"the secrets are those of {generated}, because {why}")
            return found
    notes.append(f"the secrets were not carried over: {why}; put certificates and tokens into an encrypted layer")
    return None


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: the folder gets its name when it is complete."""
    part = out.with_name(f".{out.name}.part")
    for path, content in files.items():
        place = part / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(place, content)
    part.rename(out)
