"""Print the kernel parameters that send a machine to a server, in the form that its boot loader needs.

The parameters go to standard output, warnings to standard error. docs/talos.md describes the next steps.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootgrant.acquire.cmdline.findings import Level
from bootgrant.acquire.cmdline.settings import CLIENT_SECRET
from bootgrant.acquire.facts import VARIABLES
from bootgrant.cli.arguments import add_json_argument, one_of
from bootgrant.cli.output import Json, Refused, reporting, show
from bootgrant.loaders.parameters import (
    CAREFUL_LIMIT,
    KERNEL_LIMIT,
    PLATFORM,
    BootParameters,
    config_url,
    endpoints,
)
from bootgrant.loaders.private_ca import early_value
from bootgrant.loaders.urls import CannotWrite, machine_url
from bootgrant.loaders.writing import BootFiles, Form, write
from bootgrant.wire.secret import Secret

if TYPE_CHECKING:
    from bootgrant.service.settings.site import Site

_KERNELS: Final = {
    Form.GRUB: BootFiles("/boot/vmlinuz", "/boot/initramfs.xz"),
    Form.IPXE: BootFiles("kernel-amd64", "initramfs-amd64.xz"),
}
_OTHERWISE: Final = BootFiles("/vmlinuz", "/initramfs.xz")
_LARGEST_CA: Final = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    server = parser.add_argument_group("the server")
    server.add_argument("--url", metavar="URL", help="where machines reach it: https://boot.example.org")
    server.add_argument("--config", type=Path, metavar="FILE", help="take public_url from this bootgrant.toml")
    server.add_argument(
        "--config-url", metavar="URL", help="where the configuration is, if not at the server's /config"
    )
    server.add_argument(
        "--device-auth-url", metavar="URL", help="the device endpoint of another provider (docs/providers.md)"
    )
    server.add_argument("--token-url", metavar="URL", help="the token endpoint of another provider")
    server.add_argument(
        "--client-id", metavar="ID", help="default: talos; with --config the first client without a secret"
    )
    server.add_argument("--client-secret-file", type=Path, metavar="FILE", help="a file whose first line is the secret")
    server.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="repeat it for more than one")
    server.add_argument("--audience", default="", metavar="TEXT", help="the audience that the machine requests")
    server.add_argument(
        "--ca", type=Path, metavar="FILE",
        help="a private authority (PEM) for machines to trust; with --config the site's own authority is the default",
    )  # fmt: skip
    server.add_argument(
        "--no-ca", action="store_true", help="leave the site's own authority out: the image already has it"
    )
    machine = parser.add_argument_group("the machine")
    machine.add_argument(
        "--variable", action="append", choices=VARIABLES, metavar="NAME", dest="variables",
        help="a variable for the machine to report; repeat it for more (default: uuid and mac)",
    )  # fmt: skip
    machine.add_argument("--add", action="append", default=[], metavar="WORD", help="one more parameter: console=ttyS0")
    machine.add_argument(
        "--no-platform",
        action="store_true",
        help="omit Talos's own parameters, for another Linux that runs `bootgrant acquire`",
    )
    out = parser.add_argument_group("the form")
    out.add_argument(
        "--as",
        dest="form",
        type=one_of(Form),
        choices=list(Form),
        default=Form.LINE,
        help="default: one kernel command line",
    )
    out.add_argument("--kernel", metavar="PATH", help="for the boot entry; a URL for iPXE")
    out.add_argument("--initrd", metavar="PATH", help="for the boot entry; a URL for iPXE")
    out.add_argument(
        "--secret-in-schematic", action="store_true",
        help="allow the secret in the schematic, which is uploaded and built into every image",
    )  # fmt: skip
    add_json_argument(out)


@reporting
def run(args: argparse.Namespace) -> int:
    from bootgrant.service.settings.site import SettingsError

    try:
        parameters = _parameters(args)
        _check(args, parameters)
        default = _KERNELS.get(args.form, _OTHERWISE)
        files = BootFiles(args.kernel or default.kernel, args.initrd or default.initrd)
        text = write(args.form, parameters.words(), files)
    except (CannotWrite, SettingsError) as error:
        raise Refused("cannot_write", str(error)) from error
    remarks = list(_remarks(parameters))
    if args.json:
        answer: Json = {"form": args.form.value, "text": text, "parameters": parameters.words(), "remarks": remarks}
        return show(answer, "", as_json=True)
    for remark in remarks:
        print(f"bootgrant kernel-args: {remark}", file=sys.stderr)
    print(text, end="")
    return 0


def _parameters(args: argparse.Namespace) -> BootParameters:
    variables = tuple(dict.fromkeys(args.variables or ("uuid", "mac")))
    server, client_id, authority = _server(args)
    device, token = (args.device_auth_url, args.token_url)
    if not (device and token):
        own_device, own_token = endpoints(server)
        device, token = device or own_device, token or own_token
    platform = () if args.no_platform or args.form is Form.SCHEMATIC else PLATFORM
    return BootParameters(
        config_url=machine_url(args.config_url or config_url(server, variables), "--config-url", is_config=True),
        device_auth_url=machine_url(device, "--device-auth-url"),
        token_url=machine_url(token, "--token-url"),
        client_id=client_id,
        variables=variables,
        client_secret=_secret(args.client_secret_file),
        scopes=tuple(args.scope),
        audience=args.audience,
        early=early_value(_text_of(args.ca, "--ca") if args.ca else authority) if args.ca or authority else "",
        others=(*platform, *args.add),
        for_talos=bool(platform),
    )


def _server(args: argparse.Namespace) -> tuple[str, str, str]:
    """Return the server's URL, the client id for machines, and the authority that they have to trust (PEM)."""
    from bootgrant.service.commands.own_authority import authority_pem
    from bootgrant.service.settings.site import load_site

    given: str | None = args.client_id
    if args.config is not None:
        site = load_site(args.config, os.environ)
        authority = "" if args.ca or args.no_ca else authority_pem(site)
        return str(args.url or site.public_url), public_client(site) if given is None else given, authority
    if args.url is not None:
        return str(args.url), "talos" if given is None else given, ""
    raise CannotWrite("name the server: --url https://boot.example.org, or --config FILE of a site")


def public_client(site: Site) -> str:
    """Return a site's first client without a secret, because machines have none. Raises CannotWrite."""
    for client in site.clients.values():
        if client.secret is None:
            return client.client_id
    raise CannotWrite(
        "every client of this site has a secret: add one without a secret to [[clients]], or use --client-id"
    )


def _secret(file: Path | None) -> Secret | None:
    if file is None:
        return None
    secret = _text_of(file, "--client-secret-file").partition("\n")[0].strip()
    if not secret:
        raise CannotWrite(f"{file} is empty: its first line must be the client secret")
    return Secret(secret)


def _text_of(file: Path, flag: str) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST_CA).decode("utf-8")
    except OSError as error:
        raise CannotWrite(f"{flag}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CannotWrite(
            f"{flag}: {file} is not text; a certificate must be PEM (openssl x509 -inform der)"
        ) from error


def _check(args: argparse.Namespace, parameters: BootParameters) -> None:
    for found in parameters.findings():
        if found.level is Level.ERROR:
            raise CannotWrite(f"{found.message}: {found.fix}")
    secrets = parameters.secrets()
    if args.form is Form.SCHEMATIC and secrets and not args.secret_in_schematic:
        raise CannotWrite(
            f"these parameters contain a secret ({', '.join(secrets)}), and anyone who knows the schematic's ID can "
            "download images with it. Use a public client, which needs no secret, or pass --secret-in-schematic"
        )


def _remarks(parameters: BootParameters) -> Iterator[str]:
    for found in parameters.findings():
        yield f"{found.level.value}: {found.message}: {found.fix}"
    if CLIENT_SECRET in parameters.secrets():
        yield "warning: everyone on the machine can read the client secret in /proc/cmdline; a public client needs none"
    if "serial" in parameters.variables:
        yield "note: Talos waits 90 seconds for a serial number that the firmware left empty, then sends none"
    length = len(" ".join(parameters.words()).encode())
    if length > CAREFUL_LIMIT:
        advice = "remove what is not needed"
        if parameters.early:
            advice = (
                "use an authority with an EC key, whose certificate is short, or build the certificate into the image"
            )
        yield f"warning: {length} bytes, and the kernel truncates them at {KERNEL_LIMIT} on x86 and arm64: {advice}"
