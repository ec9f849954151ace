"""DER, the encoding of certificates and keys: elements of a tag and a content, which may be elements again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BITS: Final = 0x03
OCTETS: Final = 0x04
OBJECT: Final = 0x06
UTC_TIME: Final = 0x17
TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
_LONG: Final = 0x80


@dataclass(frozen=True, slots=True)
class Element:
    """``encoded`` is the element with its header."""

    tag: int
    content: bytes
    encoded: bytes

    def inside(self) -> list[Element]:
        """Return the elements in a sequence or a set. Raises ValueError."""
        return elements(self.content)


def elements(content: bytes) -> list[Element]:
    """Return the elements that a text consists of. Raises ValueError if it is not DER."""
    found = []
    at = 0
    while at < len(content):
        element = first_element(content, at)
        found.append(element)
        at += len(element.encoded)
    return found


def first_element(content: bytes, at: int = 0) -> Element:
    """Return the element at a place, whatever follows it. Raises ValueError if there is none."""
    start = at + 2
    header = content[at:start]
    if len(header) < 2 or header[0] & 0x1F == 0x1F:
        raise ValueError("no element of DER")
    size = header[1]
    if size & _LONG:
        digits = content[start : start + (size & ~_LONG)]
        start += len(digits)
        size = int.from_bytes(digits)
        if not digits or digits[0] == 0 or size < _LONG:
            raise ValueError("a length that is not in DER")
    if start + size > len(content):
        raise ValueError("an element that is longer than the text")
    return Element(header[0], content[start : start + size], content[at : start + size])


def tags(found: list[Element]) -> list[int]:
    return [element.tag for element in found]


def integer(element: Element) -> int:
    """Return the number of an element. Raises ValueError if it has another tag, or is not in its shortest form."""
    content = element.content
    is_padded = len(content) > 1 and content[0] in (0x00, 0xFF) and content[0] >> 7 == content[1] >> 7
    if element.tag != INTEGER or not content or is_padded:
        raise ValueError("no integer of DER")
    return int.from_bytes(content, signed=True)
