"""``/machines``: every entry with its state and its last delivery, filtered as the person wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode

from starlette.responses import Response

from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.machine_view import kind_of
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.operator_plane.wording import counted, text
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.machines import Machine, MachineState

PAGE: Final = 50
_WORDS: Final = 100
_MOST_LABELS: Final = 100
_ALWAYS_COUNTED: Final = (MachineState.WAITING, MachineState.BROKEN)


@dataclass(frozen=True, slots=True)
class Filter:
    """``words`` must occur in a row, ``label`` is ``site=fra``, ``state`` a MachineState or "" for all. Pages begin at
    1."""

    words: str = ""
    label: str = ""
    state: str = ""
    page: int = 1

    @property
    def link(self) -> str:
        """The address of the list with this filter."""
        number = "" if self.page == 1 else str(self.page)
        pairs = {"q": self.words, "label": self.label, "state": self.state, "page": number}
        query = urlencode({name: value for name, value in pairs.items() if value})
        return f"/machines?{query}" if query else "/machines"


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. ``where`` is the most distinctive variable of the machine that got it last, and its value.
    ``requests`` is the link to the card of its waiting request, or to the queue if there are several.
    """

    machine: Machine
    state: MachineState
    word: str
    link: str
    kind: str
    labels: str
    where: tuple[str, str] | None
    problem: str
    requests: str


@dataclass(frozen=True, slots=True)
class Show:
    """One of the links above the list."""

    state: str
    count: int
    link: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class MachinesView:
    """``total`` entries, of which ``matching`` match the filter; ``rows`` are those of one page."""

    filter: Filter
    total: int
    matching: int
    rows: tuple[Row, ...]
    shows: tuple[Show, ...]
    labels: tuple[str, ...]

    @property
    def first(self) -> int:
        return (self.filter.page - 1) * PAGE + 1

    @property
    def before(self) -> str:
        """The link to the page before this one, or ""."""
        return replace(self.filter, page=self.filter.page - 1).link if self.filter.page > 1 else ""

    @property
    def after(self) -> str:
        """The link to the page after this one, or ""."""
        return replace(self.filter, page=self.filter.page + 1).link if self.filter.page * PAGE < self.matching else ""


async def show(visit: Visit) -> Response:
    """Show the entries by ``?q=words&label=site=fra&state=waiting&page=2``."""
    try:
        machines = await visit.plane.machines.every()
    except ConfigUnavailable as error:
        return visit.error(error_pages.no_machines(problem_for(actor_of(visit), str(error))))
    view = view_of(machines, _filter_of(visit))
    rows = tuple(replace(row, problem=problem_for(actor_of(visit), row.problem)) for row in view.rows)
    return visit.page("machines.html", view=replace(view, rows=rows))


def view_of(machines: Sequence[Machine], chosen: Filter) -> MachinesView:
    """Return the page of the list that was chosen, or the last one."""
    found = [machine for machine in machines if _matches(machine, chosen)]
    counts = Counter(machine.state for machine in found)
    shown = [machine for machine in found if chosen.state in ("", machine.state.value)]
    chosen = replace(chosen, page=max(1, min(chosen.page, -(-len(shown) // PAGE))))
    start = (chosen.page - 1) * PAGE
    return MachinesView(
        filter=chosen,
        total=len(machines),
        matching=len(shown),
        rows=tuple(map(row_of, shown[start : start + PAGE])),
        shows=tuple(_shows(chosen, counts)),
        labels=tuple(sorted({label for machine in machines for label in _labels(machine.entry)})[:_MOST_LABELS]),
    )


def _filter_of(visit: Visit) -> Filter:
    words, label, state, page = (visit.query(name) for name in ("q", "label", "state", "page"))
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    known = {state.value for state in MachineState}
    return Filter(words[:_WORDS].strip(), label[:200], state if state in known else "", max(1, number))


def _shows(chosen: Filter, counts: Counter[MachineState]) -> Iterator[Show]:
    link = replace(chosen, state="", page=1).link
    yield Show("all", counts.total(), link, chosen.state == "")
    for state in MachineState:
        if counts[state] or state in _ALWAYS_COUNTED or state.value == chosen.state:
            link = replace(chosen, state=state.value, page=1).link
            yield Show(state.value, counts[state], link, chosen.state == state.value)


def row_of(machine: Machine) -> Row:
    """Return an entry as the list and its own page show it."""
    return Row(
        machine=machine,
        state=machine.state,
        word=_word(machine),
        link=page_of(machine.entry.name),
        kind=kind_of(machine.entry),
        labels=" · ".join(_labels(machine.entry)),
        where=_most_distinctive(machine.last.identity) if machine.last else None,
        problem=machine.entry.problem,
        requests=_requests(machine),
    )


def page_of(entry: str) -> str:
    """Return the path of an entry's page."""
    return f"/machines/{quote(entry, safe='')}"


def _word(machine: Machine) -> str:
    if machine.state is MachineState.WAITING:
        return counted("machines.is_waiting", len(machine.waiting))
    by = machine.assigned[0].by if machine.assigned else ""
    return text(f"machines.is_{machine.state.value}", by=by)


def _requests(machine: Machine) -> str:
    if machine.state is not MachineState.WAITING:
        return ""
    if len(machine.waiting) == 1:
        return f"/requests/{machine.waiting[0].grant_id}"
    return f"/?{urlencode({'q': machine.entry.name})}"


def _most_distinctive(identity: MachineIdentity) -> tuple[str, str] | None:
    given = identity.given()
    return next(((name, given[name]) for name in ("serial", "mac", "uuid", "hostname") if name in given), None)


def _labels(entry: MachineEntry) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(entry.labels.items()))


def _matches(machine: Machine, chosen: Filter) -> bool:
    if chosen.label and chosen.label not in _labels(machine.entry):
        return False
    if not chosen.words:
        return True
    content = " ".join(_searched(machine)).casefold()
    return all(word in content for word in chosen.words.casefold().split())


def _searched(machine: Machine) -> Iterator[str]:
    entry = machine.entry
    yield from (entry.name, kind_of(entry), *_labels(entry))
    for values in entry.match.values():
        yield from values
    identities = [grant.identity for grant in (*machine.waiting, *machine.approved)]
    identities += [one.identity for one in machine.assigned]
    if machine.last is not None:
        identities.append(machine.last.identity)
        yield machine.last.address
    for identity in identities:
        yield from identity.given().values()
    yield from (grant.source_address for grant in (*machine.waiting, *machine.approved))
