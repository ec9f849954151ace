"""Where a stopped piece of work was: the file of a layer and the line in it, read from the stack of Python's frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

from jinja2 import Template, nodes

from bootgrant.machines.site.files import LayerFile
from bootgrant.machines.talos.documents import Document, Part
from bootgrant.machines.talos.json_patching import JsonPatch
from bootgrant.machines.talos.patching import StrategicPatch
from bootgrant.machines.yaml.reading import MappingNode, ScalarNode, SequenceNode

TEMPLATE: Final = "<template>"
"""The file name of code that Jinja2 made from a template."""
_OWN: Final = ("bootgrant", "jinja2", "yaml")
_NAMED: Final[Mapping[type, str]] = {Part: "name", LayerFile: "path", StrategicPatch: "part", JsonPatch: "part"}
"""What names the file that a value belongs to."""


def place_of(frames: Iterable[FrameType], file: str) -> tuple[str, int]:
    """Return the file and line that frames work on, the innermost first; ``file`` is the last one begun, or empty."""
    line = 0
    for each in filter(_is_own, frames):
        line = line or _line_of(each)
        if not file:
            file = _file_of(each)
        if line and file:
            break
    return file, line


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame that runs and those that called it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def raised_in(error: BaseException) -> Iterator[FrameType]:
    """The frames that an exception passed, the innermost first."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return reversed(frames)


def _is_own(frame: FrameType) -> bool:
    return frame.f_code.co_filename == TEMPLATE or str(frame.f_globals.get("__name__", "")).startswith(_OWN)


def _line_of(frame: FrameType) -> int:
    if frame.f_code.co_filename == TEMPLATE:
        return template_line(frame.f_globals.get("__jinja_template__"), frame.f_lineno)
    found = 0
    for name, value in frame.f_locals.items():
        # An object that is just being made has no attributes yet.
        if isinstance(value, (ScalarNode, SequenceNode, MappingNode, Document)):
            found = getattr(value, "line", found)
        elif isinstance(value, nodes.Node):
            found = getattr(value, "lineno", found)
        elif name == "lineno" and isinstance(value, int):
            found = value
    return found


def template_line(template: Any, line: int) -> int:
    """Return the line of a template's source for a line of the code that was made from it."""
    return template.get_corresponding_lineno(line) if isinstance(template, Template) else 0


def _file_of(frame: FrameType) -> str:
    for name, value in frame.f_locals.items():
        attribute = _NAMED.get(type(value))
        found = getattr(value, attribute, "") if attribute else value if name == "part" else ""
        if isinstance(found, str) and found:
            return found
    return ""
