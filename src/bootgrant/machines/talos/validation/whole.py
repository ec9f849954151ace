"""Everything that Talos checks after it has read a configuration: each document, and the documents together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.machines.talos.documents import Document
from bootgrant.machines.talos.tables import LEGACY, TalosTables
from bootgrant.machines.talos.validation.across import check_whole
from bootgrant.machines.talos.validation.conflicts import check_conflict
from bootgrant.machines.talos.validation.documents import CHECKS
from bootgrant.machines.talos.validation.kubernetes import check_images
from bootgrant.machines.talos.validation.legacy.document import check_legacy
from bootgrant.machines.talos.validation.report import Report

INCOMPLETE: Final = (
    "there is no document with machine and cluster: Talos takes the configuration, but the machine stays in "
    "maintenance until it gets one"
)
_OMNI: Final = "SideroLinkConfig"
"""A machine with this document joins Omni, which sends the rest."""


def validate(documents: Sequence[Document], tables: TalosTables, *, is_assumed: bool = False) -> Report:
    """Return what Talos of this release refuses and warns of, in its order.

    ``is_assumed``: nobody said that the machines run this release, so Kubernetes versions that another one would take
    are only warnings.
    """
    report = Report(tables.release)
    legacy = next((document for document in documents if document.kind.name == LEGACY), None)
    others = [document for document in documents if document is not legacy]
    if legacy is not None:
        report.document = legacy
        check_legacy(legacy.value, report)
    elif all(document.kind.name != _OMNI for document in documents):
        report.warn("", INCOMPLETE)
    for document in others:
        report.document = document
        CHECKS[document.kind.name](document.value, report)
    if legacy is not None:
        for document in others:
            report.document = document
            check_conflict(document, legacy.value, report)
    check_whole(documents, report)
    check_images(documents, report, is_assumed=is_assumed)
    report.document = None
    return report
