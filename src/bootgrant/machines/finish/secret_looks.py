"""Recognise secrets by their names and by how they look: private keys, URLs with credentials, tokens of known services.

A reference to a vault is not a secret, but a placeholder that another program fills in.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import Final

from bootgrant.machines.finish.key_material import PRIVATE_KEY

_NAMES: Final = frozenset(
    {
        "key", "token", "secret", "password", "passwd", "passphrase", "psk", "auth", "credentials", "hash",
        "privatekey", "presharedkey", "rsaprivate", "ecdsaprivate", "ed25519private", "dsaprivate", "apikey",
        "secretkey", "accesskey", "authkey", "pat", "authorization",
    }
)  # fmt: skip
_ENDS: Final = (
    "token", "secret", "password", "passwd", "passphrase", "privatekey", "presharedkey", "passwordhash", "apikey",
    "secretkey", "accesskey", "credentials", "authkey", "joinkey", "activationkey",
)  # fmt: skip
_HINT: Final = re.compile("(?i)key|token|secret|pass|psk|auth|cred|hash|private|pat|pwd")
"""Something in every name of a secret: most names have none of it, and need no closer look."""
_LAST_WORDS: Final = frozenset({"key", "pat", "pass", "pwd", "psk", "secret", "credential"})
_BASE64_KEY: Final = re.compile(r"\bLS0tLS1CRUdJTi(?!BDRVJU)")
KUBERNETES_SECRET: Final = re.compile(r"^[ \t]*kind:[ \t]*[\"']?Secret\b", re.MULTILINE)
_URL: Final = re.compile(r"://[^/\s:]*:[^/\s]*@|[?&][\w.-]*(?:token|secret|password|key)=|^data:\S", re.IGNORECASE)
_KNOWN_TOKEN: Final = re.compile(
    r"(?<![\w-])(?:"
    r"tskey-[a-z]+-[\w-]{8,}|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl(?:pat|dt|rt|cbt|ptt|agent)-[\w.-]{12,}"
    r"|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|hv[sbr]\.[\w-]{16,}|[sr]k_(?:live|test)_\w{10,}"
    r"|AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+|dop_v1_[a-f0-9]{16,}|npm_[A-Za-z0-9]{20,}|pypi-AgE[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}|dckr_(?:pat|oat)_[\w-]{16,}|glsa_\w{20,}"
    r"|sk-(?:ant|proj)-[\w-]{16,}|\$(?:1|2[aby]|5|6|7|y|argon2[a-z]+|apr1)\$[^\s:$]+\$\S{8,}"
    r")"
)
_REFERENCE: Final = re.compile(
    r"\s*(?:op://|ref\+[a-z0-9]+://|secretref\+|vault:|\$\{?vault:|bws?://|doppler://|awssm://|gcpsm://|azkv://|keyring:"
    r"|file://|env://|<[\w.\s-]+>\s*$|\$\{[\w.:-]+\}\s*$|\$[A-Za-z_]\w*\s*$|\{\{)"
)
_WORD: Final = re.compile(r"[A-Za-z0-9+/_.~=-]{20,}")
_SEPARATORS: Final = re.compile(r"[/+_.~=-]+")
_SHORTEST_PART: Final = 12
_CHANGES: Final = 0.35
"""Changes between upper case, lower case and digits for each character, which random texts exceed and words do not."""
_OF_THE_MOST_BITS: Final = 0.8


def is_secret_name(name: str) -> bool:
    """Whether the value of this key is secret because of the key's name."""
    if not _HINT.search(name):
        return False
    folded = re.sub(r"[^a-z0-9]", "", name.lower())
    return folded in _NAMES or folded.endswith(_ENDS)


def is_secret_variable(name: str) -> bool:
    """Whether the value of an environment variable is secret because of its name: ``GITHUB_PAT``, ``DB_PASS``."""
    if not _HINT.search(name):
        return False
    return is_secret_name(name) or re.split(r"[^a-z0-9]+", name.lower())[-1] in _LAST_WORDS


def looks_secret(text: str) -> bool:
    """Whether a text has a private key, a token of a known service, a URL with credentials, or a Kubernetes Secret."""
    patterns = (PRIVATE_KEY, _BASE64_KEY, _URL, _KNOWN_TOKEN, KUBERNETES_SECRET)
    return any(pattern.search(text) for pattern in patterns)


def has_known_token(text: str) -> bool:
    """Whether a text has the token of a known service, such as ``ghp_…``, or the hash of a password."""
    return _KNOWN_TOKEN.search(text) is not None


def is_reference(text: str) -> bool:
    """Whether a value is a placeholder for another program to fill in, such as ``op://…``, ``ref+…``, ``${NAME}``."""
    return _REFERENCE.match(text) is not None


def is_random(text: str) -> bool:
    """Whether a word is in a text that looks random: long, with all kinds of letters and digits, mixed everywhere.

    Digests, UUIDs, versions, paths and names in CamelCase do not.
    """
    return any(_is_random_part(part) for word in _WORD.findall(text) for part in _SEPARATORS.split(word))


def _is_random_part(part: str) -> bool:
    kinds = [(char.isupper(), char.isdigit()) for char in part]
    if len(part) < _SHORTEST_PART or len(set(kinds)) < 3:
        return False
    changes = sum(before != after for before, after in pairwise(kinds))
    counts = Counter(part).values()
    bits = -sum(count / len(part) * math.log2(count / len(part)) for count in counts)
    return changes >= _CHANGES * len(part) and bits >= _OF_THE_MOST_BITS * math.log2(len(part))
