"""The doctor survives any answer of a server, and no text of a server controls the terminal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.doctor.findings import Report
from support.answering_server import http, reply
from support.examined import Examined, HealthyServer, examined

MEMBER = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2))
NAMES = st.sampled_from(
    ["device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval", "error",
     "error_description", "access_token", "issuer", "token_endpoint"]
)  # fmt: skip
MEMBERS = st.dictionaries(NAMES, MEMBER, max_size=6)
STATUS = st.sampled_from([200, 201, 204, 301, 307, 400, 401, 403, 404, 428, 500, 503])
ANSWER = st.one_of(
    st.builds(reply, STATUS, MEMBERS),
    st.builds(http, STATUS, st.binary(max_size=60)),
    st.binary(max_size=60),
)


def controls_terminal(seen: Examined) -> bool:
    report = Report("a test", seen.findings, seen.examination.pending)
    return any(not (char.isprintable() or char == "\n") for char in "\n".join(report.lines()))


@settings(max_examples=60, deadline=None)
@given(codes=MEMBERS, device=ANSWER, token=ANSWER, config=ANSWER, metadata=ANSWER, whole=st.booleans())
def test_any_answer_of_a_server_is_survived(
    codes: dict[str, object], device: bytes, token: bytes, config: bytes, metadata: bytes, whole: bool
) -> None:
    server = HealthyServer(codes={**codes, "verification_uri": "http://127.0.0.1:1/"})
    server = replace(server, token=token, config=config, metadata=metadata, device=device if whole else None)
    assert not controls_terminal(examined(server, patience=0.5))


def test_control_characters_are_escaped() -> None:
    seen = examined(HealthyServer(codes={"user_code": "\x1b[2J\x9bAB", "interval": "\x1b]0;x\x07"}))
    report = "\n".join(Report("a test", seen.findings, seen.examination.pending).lines())
    assert "\\x1b[2J\\u009bAB" in report
    assert not controls_terminal(seen)
