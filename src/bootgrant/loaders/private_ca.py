"""A private certificate authority on the kernel command line: ``talos.config.early`` with a TrustedRootsConfig.

Talos 1.12 and newer apply it before their first request (``controllers/config/acquire.go``, stateCmdlineEarly).
"""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from typing import Final

import yaml

from bootgrant.loaders.urls import CannotWrite

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----")
_COMPRESSION_LEVEL: Final = 19


def early_value(pem: str, name: str = "bootgrant") -> str:
    """Return the value of ``talos.config.early`` that makes a machine trust ``pem``. Raises CannotWrite.

    Only the certificates are used: a private key in the same file must not end up on a command line.
    """
    certificates = _CERTIFICATE.findall(pem)
    if not certificates:
        raise CannotWrite("the file has no certificate: give the authority's certificate as PEM with --ca")
    bundle = "\n".join(certificate.replace("\r", "") for certificate in certificates) + "\n"
    document = {"apiVersion": "v1alpha1", "kind": "TrustedRootsConfig", "name": name, "certificates": bundle}
    text: str = yaml.dump(document, Dumper=_Literal, sort_keys=False)
    return b64encode(zstd.compress(text.encode(), level=_COMPRESSION_LEVEL)).decode()


class _Literal(yaml.SafeDumper):
    """Writes texts of several lines as block literals, which are shorter and readable."""


def _literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Literal.add_representer(str, _literal)
