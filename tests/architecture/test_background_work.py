"""Tasks that outlive a request are chores: nothing but their runner starts them."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "src" / "bootgrant"
STARTS = {"create_task", "ensure_future"}

# Tasks that end with what they belong to, and report their own failures to it.
ENDING = {
    "service/server/chores.py": "the runner",
    "service/server/run.py": "the listeners, which the server waits for",
    "service/parts/http_protocol.py": "one request that has to wait",
    "machine_plane/config.py": "watches one request's connection",
    "machine_plane/endpoint.py": "watches one request's connection",
    "workflows/decide/grant_cards.py": "one check of evidence, shared by those who wait for it",
    "workflows/decide/push_waiting.py": "one message, whose failure is counted and retried",
    "workflows/people/presence.py": "one check for a person who decides, within the step of its chore",
    "workflows/record/notify_waiting.py": "one message, whose failure is counted and retried",
    "store/group_commit.py": "one group of callers, each of whom gets its outcome",
    "evidence/command.py": "one command, within its task group",
    "cli/rehearse.py": "the progress line of one rehearsal",
    "fleet/rehearsal.py": "one approval or one simulated machine each",
}


def test_nothing_else_starts_a_task() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in STARTS
    }
    assert found - set(ENDING) == set()
