"""What a patch does that its author hardly meant, in the words of a person who would have wanted to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from bootgrant.machines.yaml.writing import Written
from bootgrant.wire.go_url import GoUrl

_COMPARISONS: Final = 10_000


@dataclass(slots=True)
class Notes:
    """``found``: the path in the document and the message, in the order of finding."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def say(self, path: str, message: str) -> None:
        self.found.append((path, message))

    def emptied(self, path: str, left: dict[str, bytes], right: dict[str, bytes]) -> None:
        """A pair of certificate and key of which the patch gives one half."""
        for name, value in left.items():
            if value and not right.get(name):
                self.say(
                    f"{path}.{name}",
                    f"becomes empty: the patch gives the pair without its {name}, and Talos takes the pair as a whole. "
                    f"Repeat {name} in the patch",
                )

    def cleared(self, path: str, value: Any) -> None:
        """A field that any patch of the document empties unless it repeats it."""
        self.say(
            path, f"is cleared: a patch of this document has to repeat it to keep it. Add it to the patch ({value})"
        )

    def zero_keeps(self, path: str, wanted: Written, kept: Written, choice: bool) -> None:
        """A zero that does not override."""
        if choice:
            self.say(path, f"stays {kept}: {wanted} is the value that Talos takes for not given. {_DELETE}")
        else:
            shown = "an empty text" if wanted == "" else f"{wanted}"
            self.say(path, f"stays as it is: {shown} never overrides a value. {_DELETE}")

    def appended(self, path: str, left: list[Any], right: list[Any]) -> None:
        """A list that is appended to: nothing is replaced, and what is there already is there twice."""
        if left and not right:
            self.say(path, f"keeps its {len(left)} elements: lists are appended to, [] adds nothing. {_DELETE}")
        held = {value for value in left if isinstance(value, str)}
        few = len(left) * len(right) <= _COMPARISONS
        for index, value in enumerate(right):
            if value in held if isinstance(value, str) else few and value in left:
                # The value itself is not shown: it may be a secret.
                self.say(f"{path}[{len(left) + index}]", "is in the list twice now: lists are appended to. Remove one")

    def percentage_hidden(self, path: str, percentage: str, size: str) -> None:
        self.say(
            path, f"stays {size}: a percentage ({percentage}) does not win over bytes. Delete it in an earlier patch"
        )

    def url_survives(self, path: str, left: GoUrl, right: GoUrl, merged: GoUrl) -> None:
        """Path, query and user of the old URL live on in the new one."""
        if not right.host or right.host == left.host:
            return
        kept = [
            name
            for name, old, new in (
                ("path", left.path.strip("/"), right.path),
                ("query", left.raw_query, right.raw_query),
                ("user name", left.user or "", right.user or ""),
            )
            if old and not new
        ]
        if kept:
            self.say(
                path, f"keeps the {' and the '.join(kept)} of the old URL: Talos merges URLs part by part. {_DELETE}"
            )

    def nameless(self, kind: str) -> None:
        self.say("name", f"is missing, so this adds a {kind} without a name instead of patching one. Write its name")

    def empty_patch(self) -> None:
        self.say("", "this patch is empty, which Talos takes for a JSON patch: it only reformats. Remove the file")

    def not_delete(self, path: str, value: str) -> None:
        self.say(path, f"is the value {value!r}, so nothing is deleted: write $patch: delete, in lower case")

    def dropped_beside_delete(self, path: str, keys: list[str]) -> None:
        self.say(path, f"is deleted; {', '.join(keys)} beside $patch: delete is ignored. Set it in a later patch")

    def header_left(self, kind: str) -> None:
        self.say("", f"this adds an empty {kind}: after the deletes only its header is left. Add it only where it is")

    def old_booleans(self, path: str, text: str) -> None:
        meant = "true" if text.lower() in {"y", "yes", "on"} else "false"
        self.say(
            path, f"becomes {meant}: a JSON patch reads {text} as YAML 1.1. Write it in quotes, or patch by merging"
        )


_DELETE: Final = "To start anew, delete it in an earlier patch ($patch: delete)"
