"""The log: text or JSON lines, with the id of their request."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from bootgrant.service.logs import LogFormat, start_log
from bootgrant.service.supervisor.lines import Lines
from support.grants import MAC, UUID
from support.site import Served, served, site_in_process


@contextlib.contextmanager
def captured(form: LogFormat) -> Iterator[Callable[[], list[str]]]:
    """The log of a server in this form; call the result for its lines after the block."""
    root, output = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    with contextlib.redirect_stderr(output):
        listener = start_log(form)
        try:
            yield lambda: output.getvalue().rstrip("\n").split("\n")
        finally:
            listener.stop()
            root.handlers[:] = handlers
            root.setLevel(level)


def _traffic(site: Served) -> httpx2.Response:
    form = {"client_id": "talos", "uuid": UUID, "mac": MAC}
    code = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()["user_code"]
    assert site.command("approve", code).returncode == 0
    answer = httpx2.get(f"{site.url}/login", headers={"x-request-id": "from-the-proxy.1"}, trust_env=False)
    site.stop()
    return answer


def test_a_json_line_is_an_object_with_the_id_of_the_request(tmp_path: Path) -> None:
    with served(tmp_path, settings='format = "json"') as site:
        _traffic(site)
        lines = [json.loads(line) for line in site.log.splitlines()]
    assert all(set(line) >= {"time", "level", "logger", "message"} for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)
    [decided] = [line for line in lines if "approved" in line["message"]]
    assert re.fullmatch(r"[0-9a-f]{20}", decided["request_id"])
    [asked] = [line for line in lines if line["message"].startswith("new request: ")]
    assert (asked["grant_id"], decided["grant_id"]) == (decided["message"].split()[-1],) * 2
    assert "request_id" not in asked
    assert "request_id" not in next(line for line in lines if line["message"].startswith("serving"))


def test_a_text_line_about_a_person_ends_with_the_id_of_the_request(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        answer = _traffic(site)
    [decided] = [line for line in site.log.splitlines() if "approved" in line]
    assert re.search(r" \[[0-9a-f]{20}\]$", decided)
    [asked] = [line for line in site.log.splitlines() if "new request: " in line]
    grant_id = decided.partition("the request ")[2].split()[0]
    assert asked.endswith(f"from 127.0.0.1 [{grant_id}]")
    assert answer.headers["x-request-id"] == "from-the-proxy.1"


@pytest.mark.anyio
@pytest.mark.parametrize("sent", ["short", "x" * 65, "no spaces here", "<script>alert(1)"])
async def test_an_implausible_request_id_is_replaced(tmp_path: Path, sent: str) -> None:
    with site_in_process(tmp_path) as site:
        async with site.client() as client:
            answers = [await client.get("/login", headers={"x-request-id": sent}) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"[0-9a-f]{20}", one) for one in ids)


HOSTILE = (
    "Eve\n2026-11-29 20:14:07,123 INFO bootgrant.operators: forged\x1b[2K\x9b1m\r\u2028\u202e\u2066\u200b\x00\x85end"
)


@pytest.mark.parametrize("form", list(LogFormat))
def test_text_from_outside_can_neither_begin_a_line_nor_control_a_terminal(form: LogFormat) -> None:
    log = logging.getLogger("bootgrant.test")
    with captured(form) as written:
        log.info("signed in: %s", HOSTILE)
        log.warning(HOSTILE)
    lines = written()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    messages = [json.loads(line)["message"] for line in lines] if form is LogFormat.JSON else lines
    assert all(message.isprintable() for message in messages)
    assert messages[0].endswith(
        r"signed in: Eve\n2026-11-29 20:14:07,123 INFO bootgrant.operators: forged"
        r"\x1b[2K\x9b1m\r\u2028\u202e\u2066\u200b\x00\x85end"
    )


@pytest.mark.parametrize("form", list(LogFormat))
def test_text_from_outside_in_an_exception_is_escaped_too(form: LogFormat) -> None:
    log = logging.getLogger("bootgrant.test")

    def nested() -> None:
        raise ExceptionGroup(HOSTILE, [KeyError(HOSTILE)]) from ValueError(HOSTILE)

    with captured(form) as written:
        try:
            nested()
        except ExceptionGroup:
            log.exception("it failed")
    first, *others = written()
    shown = json.loads(first)["error"].splitlines() if form is LogFormat.JSON else others
    assert all(line.startswith("  ") and line.isprintable() for line in shown)
    assert sum(r"Eve\n2026-11-29" in line for line in shown) == 3
    assert any("in nested" in line for line in shown)


def test_text_of_every_language_stays_readable() -> None:
    with captured(LogFormat.TEXT) as written:
        logging.getLogger("bootgrant.test").info("approved by %s", "Zoë Müller, 山田")
    assert written()[0].endswith("approved by Zoë Müller, 山田")


def test_a_reason_in_a_line_of_the_supervisor_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        lines = Lines()
        lines.form = form
        lines.error(HOSTILE)
    lines_written = capfd.readouterr().err.split("\n")
    assert len(lines_written) == 3
    assert all(line.isprintable() for line in lines_written)
