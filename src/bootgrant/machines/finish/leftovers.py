"""What other tools leave in a file that is about to be served: ciphertext, placeholders, files that are theirs.

A file of Talos has fields with a form (names, addresses, images, tokens) and free text (file contents, environments,
kernel arguments, manifests, arguments of programs). ``${NAME}`` and ``{{ … }}`` are never right in the first, and often
right in the second: a shell script or a systemd unit expands them on the machine. So they are errors in fields and pass
in free text. In other schemas, where the fields are not known, a value that is nothing but a placeholder is a warning.
Values of SOPS are errors everywhere, except in a text that is a whole file of SOPS, which its reader can decrypt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bootgrant.machines.finish.secret_looks import is_secret_name
from bootgrant.machines.site.encryption import (
    Encryption,
    ciphertext_line,
    encryption_of,
    foreign_encryption,
    is_whole_sops_file,
)
from bootgrant.machines.site.foreign import foreign_content
from bootgrant.machines.site.model import Schema
from bootgrant.machines.yaml.reading import MappingNode, Node, ParsedYaml, ScalarNode, SequenceNode, parse_yaml

_SUSPICIOUS: Final = (b"ENC[AES256_GCM,", b"${", b"{{", b"op://", b"ref+", b"$$patch")
"""Nearly no file has any of these, and a search for each is far faster than a regular expression."""
_REGISTRIES: Final = ("machine", "registries", "config")
"""The one `config` that is not free: it has the passwords of registries."""
_FREE: Final = frozenset(
    {
        "content", "contents", "environment", "env", "extraKernelArgs", "extraArgs", "extraManifestHeaders", "pods",
        "rules", "auditPolicy", "extraConfig", "configuration", "config", "value", "baseRuntimeSpecOverrides", "match",
        "triggerExpression", "cgroupRankingExpression", "command", "args",
    }
)  # fmt: skip
"""Keys of Talos configurations below which a site writes text that Talos does not look into."""
_SHELL: Final = re.compile(r"\$\{[^}\n]*\}?")
_BRACES: Final = re.compile(r"\{\{(?:[^\n]*?\}\}|[^\n]*)")
"""Either also finds an opening that is not closed on its line, up to the end of the line: no text is read twice."""
_TEMPLATE_LINE: Final = re.compile(r"(?m)^(?![ \t]*#)(?>.*?\{\{-?[ \t]*[.$\w\"])[^\n]*?\}\}")
_GO: Final = re.compile(r"\{\{-?\s*(?:\.|\$|if\b|range\b|end\b|with\b|include\b|template\b|env\b|lookup\b)")
_VAULT: Final = re.compile(r"(?:^|(?<=[=\s\"']))(?:op://[^/\s]+/\S+|ref\+[a-z0-9]+://\S+)")
_ONLY_NAMES: Final = re.compile(r"\$\{[A-Za-z_][\w.]{0,60}\}|\{\{-?\s*[$.]?[A-Za-z_][\w.]{0,60}\s*-?\}\}")
_WHOLE: Final = re.compile(r"\s*(?:\$\{[^}\n]*\}|\{\{[^\n]*\}\})\s*")
_OPERATIONS: Final = frozenset({"add", "replace", "test"})
"""The operations of RFC 6902 with a value. An element of ``machine.files`` has op and path, too."""
_PATCH: Final = "$$patch"
_JINJA_CLOUD_CONFIG: Final = "## template: jinja"
_MOST: Final = 5

_CIPHERTEXT: Final = (
    "is ciphertext of SOPS (ENC[…]), and the sops section that is needed to decrypt it is missing: restore the file "
    "from before it was edited or merged, or encrypt it again with sops"
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """``rule`` is the name of the finding, ``line`` counts from 1. An ``is_fatal`` one must not be served."""

    rule: str
    message: str
    line: int
    is_fatal: bool = True


def leftovers(path: str, content: bytes, schema: Schema) -> list[Leftover]:
    """Return what other tools left in a file, which was decrypted and rendered."""
    if message := foreign_content(path, content, schema):
        return [Leftover("foreign", message, 1)]
    if message := still_encrypted(path, content):
        return [Leftover("ciphertext", message, 1)]
    if not any(mark in content for mark in _SUSPICIOUS):
        return []
    parsed = parse_yaml(content)
    if parsed.error is not None or schema is Schema.TEXT:
        return list(_in_text(parsed.text, schema))
    return list(_in_documents(parsed, schema))[:_MOST]


def still_encrypted(path: str, content: bytes) -> str:
    """Return why a file cannot be served as it is: it is encrypted. Empty if it is in clear."""
    encryption = encryption_of(path, content)
    tool = "SOPS" if encryption.is_sops else "age" if encryption is Encryption.AGE else foreign_encryption(content)
    if not tool:
        return ""
    return f"encrypted with {tool}: a finished file is served unchanged, so name it as a layer in a machines.yaml"


def _in_text(text: str, schema: Schema) -> Iterator[Leftover]:
    """Look through a text that is not YAML, perhaps because of the braces of a template."""
    if line := ciphertext_line(text):
        yield Leftover("ciphertext", f"a value on this line {_CIPHERTEXT}", line)
    if (
        schema is not Schema.TEXT
        and not text.startswith(_JINJA_CLOUD_CONFIG)
        and (found := _TEMPLATE_LINE.search(text))
    ):
        yield Leftover("placeholder", f"this line {_unfilled(found[0])}", text.count("\n", 0, found.end()) + 1)


def _in_documents(parsed: ParsedYaml, schema: Schema) -> Iterator[Leftover]:
    is_template = parsed.text.startswith(_JINJA_CLOUD_CONFIG)
    for root in parsed.documents:
        for keys, scalar, is_key in _scalars(root):
            if "ENC[AES256_GCM," in scalar.text and not is_whole_sops_file(scalar.text):
                yield Leftover("ciphertext", f"{_name(keys)} {_CIPHERTEXT}", scalar.line)
            elif schema is not Schema.TALOS:
                yield from () if is_template else _whole_value(keys, scalar)
            elif is_key:
                yield from _in_key(keys, scalar)
            else:
                yield from _in_value(keys, scalar)


def _in_key(keys: tuple[str, ...], key: ScalarNode) -> Iterator[Leftover]:
    if key.text == _PATCH:
        message = "$$patch is $patch as Terraform, Helm and envsubst escape it: write $patch"
        yield Leftover("placeholder", message, key.line)
    elif not _is_free(keys) and (_shell_placeholder(key.text) or _braces_placeholder(key.text)):
        yield Leftover("placeholder", f"a key in {_name(keys)} {_unfilled(key.text)}", key.line)


def _in_value(keys: tuple[str, ...], scalar: ScalarNode) -> Iterator[Leftover]:
    text = scalar.text
    is_free = "\n" in text.strip() or _is_free(keys)
    if found := _VAULT.search(text):
        is_fatal = not is_free and found[0] == text.strip()
        yield Leftover("placeholder", f"{_name(keys)} {_unresolved(found[0])}", scalar.line, is_fatal)
    elif is_free or (is_secret_name(keys[-1] if keys else "") and _WHOLE.fullmatch(text) is None):
        # A password may have any characters, so only one that is nothing but a placeholder is taken for one.
        return
    elif _shell_placeholder(text) or _braces_placeholder(text):
        yield Leftover("placeholder", f"{_name(keys)} {_unfilled(text)}", scalar.line)


def _whole_value(keys: tuple[str, ...], scalar: ScalarNode) -> Iterator[Leftover]:
    found = _VAULT.search(scalar.text)
    if found and found[0] == scalar.text.strip():
        yield Leftover("placeholder", f"{_name(keys)} {_unresolved(found[0])}", scalar.line, is_fatal=False)
    elif _WHOLE.fullmatch(scalar.text):
        yield Leftover("placeholder", f"{_name(keys)} {_unfilled(scalar.text)}", scalar.line, is_fatal=False)


def _unfilled(text: str) -> str:
    """Name the placeholder and its tool. Anything but a name in it may be a secret, such as a default."""
    of_shell = _shell_placeholder(text)
    found = of_shell or _braces_placeholder(text)
    shown = found if _ONLY_NAMES.fullmatch(found) else "${…}" if of_shell else "{{ … }}"
    if of_shell:
        tool = "Terraform, envsubst, talhelper"
    elif _GO.search(text):
        tool = "a Go template: TOPF, talhelper, talm, Helm"
    else:
        tool = "Jinja, Ansible"
    return (
        f"has the placeholder {shown} ({tool}) that was not filled in: write the value, or end the file's name in .j2 "
        "and write {{ variables.NAME }}"
    )


def _shell_placeholder(text: str) -> str:
    """The first ``${…}`` in a text; empty if there is none."""
    return next((found[0] for found in _SHELL.finditer(text) if found[0].endswith("}")), "")


def _braces_placeholder(text: str) -> str:
    """The first ``{{…}}`` in a text; empty if there is none."""
    return next((found[0] for found in _BRACES.finditer(text) if found[0].endswith("}}")), "")


def _unresolved(reference: str) -> str:
    tool, command = (
        ("1Password (op://…)", "op inject") if reference.startswith("op:") else ("vals (ref+…)", "vals eval")
    )
    return f"is a reference of {tool} that was not resolved: run `{command}`, or get the value from a program (exec)"


def _is_free(keys: tuple[str, ...]) -> bool:
    below = keys[len(_REGISTRIES) :] if keys[: len(_REGISTRIES)] == _REGISTRIES else keys
    return not _FREE.isdisjoint(below)


def _name(keys: tuple[str, ...]) -> str:
    return ".".join(keys) or "a value"


def _scalars(root: Node) -> Iterator[tuple[tuple[str, ...], ScalarNode, bool]]:
    """Yield every scalar with the keys above it, and whether it is a key itself.

    The value of a JSON patch (RFC 6902) has the keys of the place that it is for.
    """
    todo: list[tuple[tuple[str, ...], Node]] = [((), root)]
    while todo:
        keys, node = todo.pop()
        if isinstance(node, ScalarNode):
            yield keys, node, False
        elif isinstance(node, SequenceNode):
            todo += [(keys, item) for item in reversed(node.items)]
        elif isinstance(node, MappingNode):
            place = _patched(node)
            yield from ((keys, key, True) for key, _ in node.pairs)
            todo += [(place or (*keys, key.text), value) for key, value in reversed(node.pairs)]


def _patched(node: MappingNode) -> tuple[str, ...]:
    operation, path = node.get("op"), node.get("path")
    if not isinstance(path, ScalarNode) or not isinstance(operation, ScalarNode) or operation.text not in _OPERATIONS:
        return ()
    return tuple(step for step in path.text.split("/") if step and step != "-" and not step.isdigit())
