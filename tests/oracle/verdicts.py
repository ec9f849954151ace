"""Compare the verdicts on finished configurations: ours, and that of Talos's own loader and validation."""

from __future__ import annotations

from bootgrant.machines.finish.validation import Rules, judge
from bootgrant.machines.site.model import Schema
from bootgrant.machines.yaml.reading import parse_yaml
from oracle.comparing import Difference
from oracle.reference import Reference


def verdict_difference(reference: Reference, config: str) -> str | Difference:
    """Return how both agree, or the difference. Talos's crashes, and files without documents, are refused by us."""
    verdict = reference.validated(config)
    judgement = judge(parse_yaml(config.encode()), Schema.TALOS, Rules(), reference.release)
    faults = [fault.message for fault in judgement.faults if fault.is_fatal]
    if bool(faults) == verdict.refuses:
        return "both refuse" if faults else "both accept"
    reasons = "\n".join([verdict.load_error] if verdict.load_error is not None else verdict.errors)
    return Difference(
        "we refuse" if faults else "Talos refuses", "\n".join(faults), reasons, config, (), reference.release
    )
