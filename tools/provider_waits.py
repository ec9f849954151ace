"""Measure the seconds from approval to token at the real Keycloak and Dex, for docs/providers.md.

    PYTHONPATH=. .venv/dev/bin/python tools/provider_waits.py [--at 8 20 37 …]

Needs what `make test-providers` installs. Each machine gets a code of its own; its person signs in before, and approves
at the given second after the code was shown. All machines run at the same time, so this takes as long as the last one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from providers_real.keycloak_recipe import sign_in_without_scripts  # noqa: E402
from support.dex import dex  # noqa: E402
from support.dex import sign_in as sign_in_at_dex  # noqa: E402
from support.keycloak import keycloak  # noqa: E402
from support.outside_machine import machine  # noqa: E402
from support.recipes import Recipe  # noqa: E402
from support.site import wait_until  # noqa: E402
from support.web_forms import Browser  # noqa: E402

AT = (8.0, 20.0, 37.0, 67.0, 110.0, 155.0, 230.0, 309.0)
MODES = {"Talos": ("--compat", "talos"), "acquire": ()}
_LONGEST_WAIT = 120
_SIGNING_IN = 30
"""Seconds before the approval at which the person signs in: Keycloak ends an unfinished sign-in after 5 minutes."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A provider: the kernel parameters for its endpoints, and how a person comes to its last page."""

    name: str
    endpoints: str
    sign_in: Callable[[Browser, str], None]
    answer: dict[str, str]

    def wait(self, mode: str, at: float) -> float:
        """Boot a machine, approve it ``at`` seconds after it showed its code, and return the seconds that it needs."""
        oauth = "talos.config.oauth."
        own = f"talos.config=http://127.0.0.1:9/config {oauth}client_id=machines {oauth}scope=openid"
        with (
            tempfile.TemporaryDirectory() as folder,
            machine(Path(folder), f"talos.platform=metal {own} {self.endpoints}", *MODES[mode]) as booting,
            Browser() as browser,
        ):
            url = booting.complete_url()
            shown = time.monotonic()
            _sleep_until(shown + at - _SIGNING_IN)
            self.sign_in(browser, url)
            _sleep_until(shown + at)
            browser.send(**self.answer)
            approved = time.monotonic()
            assert "Login Successful" in browser.page.text, browser.page.text
            wait_until(lambda: "device authorized" in booting.said, "the machine has its token", _LONGEST_WAIT)
            return time.monotonic() - approved


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", type=float, nargs="+", default=AT, metavar="SECONDS", help="moments of approvals")
    moments: list[float] = parser.parse_args().at
    with tempfile.TemporaryDirectory() as folder, providers(Path(folder)) as both, ThreadPoolExecutor(64) as pool:
        modes = " / ".join(MODES)
        print("| approved after |", " | ".join(f"{each.name}: {modes}" for each in both), "|")
        waits = {
            (each.name, mode, at): pool.submit(each.wait, mode, at) for each in both for mode in MODES for at in moments
        }
        for at in moments:
            cells = [" / ".join(f"{waits[each.name, mode, at].result():.1f}" for mode in MODES) for each in both]
            print(f"| {at:.0f} s | {' | '.join(cells)} |", flush=True)


@contextmanager
def providers(folder: Path) -> Iterator[tuple[Measured, Measured]]:
    """Run both, with the client of their recipes and a person ana."""
    clients = Recipe("dex", {"https://boot.example.org": "http://localhost"}).only("yaml", "The clients")
    (folder / "keycloak").mkdir()
    with keycloak(folder / "keycloak") as server, dex(folder / "dex", clients) as other:
        realm = server.realm()
        realm.add_machines("machines")
        realm.add_user("ana")
        prefix = "talos.config.oauth."
        at_dex = f"{prefix}device_auth_url={other.issuer}/device/code {prefix}token_url={other.issuer}/token"
        yield (
            Measured("Keycloak", realm.endpoints, sign_in_without_scripts, {"accept": "Yes"}),
            Measured("Dex", at_dex, lambda browser, url: sign_in_at_dex(browser, url, "ana"), {}),
        )


if __name__ == "__main__":
    main()
