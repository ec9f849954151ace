"""One plain line per message: a serial line, a pipe, a file. Under ``compat``, what Talos writes, byte for byte."""

from __future__ import annotations

from typing import TextIO

from bootgrant.acquire.console import Prompt, QrChoice, picture, wording
from bootgrant.acquire.console.escaping import escape

# What ends at a serial line is not known; a terminal of 80 x 24 is the least there is, with a line each for the URL,
# the words above the code, the words below it and the cursor. A longer code still may scroll; a wider one may not wrap.
ROOMS = ((80, 20), (80, picture.UNLIMITED))


class PlainConsole:
    """Writes to ``stream``; a stream that breaks is given up silently, because the machine can still be configured."""

    def __init__(self, stream: TextIO, *, qr: QrChoice, compat: bool = False) -> None:
        self._stream = stream
        self._qr = qr
        self._compat = compat

    def info(self, line: str) -> None:
        self._write(wording.PREFIX + escape(line))

    def warning(self, line: str) -> None:
        self.info(line)

    def error(self, line: str) -> None:
        if self._compat:
            self._write("\n".join(escape_but_tabs(part) for part in line.split("\n")))
        else:
            self.info(line)

    def prompt(self, prompt: Prompt) -> None:
        self.info(wording.visit(prompt))
        drawing = self._draw(prompt.verification_uri_complete)
        if drawing.lines:
            self.info(wording.SCAN)
            self._write("\n".join(drawing.lines))
        if drawing.notice:
            self.info(drawing.notice)
        self.info(wording.waiting(prompt, compat=self._compat))

    def prompt_over(self) -> None:
        """Nothing counts down here."""

    def close(self) -> None:
        """Nothing to undo."""

    def _draw(self, url: str) -> picture.Picture:
        blocks = picture.can_show_blocks(self._stream)
        if self._compat and self._qr == "auto" and blocks:
            return picture.draw_as_talos(url)
        return picture.draw(url, self._qr, blocks=blocks, rooms=ROOMS)

    def _write(self, text: str) -> None:
        write_line(self._stream, text)


def escape_but_tabs(line: str) -> str:
    """The errors that Talos prints over several lines are indented with tabs."""
    return "\t".join(escape(part) for part in line.split("\t"))


def write_line(stream: TextIO, text: str, end: str = "\n") -> None:
    """Write and flush; characters that the stream's encoding lacks are escaped, a broken stream is ignored."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
        stream.flush()
    except (OSError, ValueError):
        return
