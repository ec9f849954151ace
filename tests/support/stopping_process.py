"""Render a configuration in a process that has ended its workers and programs, as a stopping server does.

    python -m support.stopping_process NAME FOLDER [PROGRAM]

A PROGRAM of the site makes FOLDER/../began and hangs: then they end while it runs. Prints what ConfigUnavailable says:
whether it passes, the machine's text, and the person's.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.configurations.engine import Engine
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.configurations.worker_process import end_workers
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms, end_programs
from support.fakes import FakeClock
from support.layered_site import CP, toolbox


async def main(name: str, folder: Path, programs: list[str]) -> None:
    place = Folder(folder)
    engine = Engine(toolbox(programs=SitePrograms([Path(each) for each in programs])))
    source = SiteConfigurations(CurrentRevision(place, engine, FakeClock()), place)
    if programs:
        ending = threading.Thread(target=end, args=[folder.parent / "began"])
        ending.start()
        source.prepare()
        ending.join()
    else:
        source.prepare()
        end()
    try:
        print("rendered", await source.render(name, CP))
    except ConfigUnavailable as error:
        print(error.passes, error.reason, error, sep="; ")


def end(began: Path | None = None) -> None:
    while began is not None and not began.exists():
        time.sleep(0.01)
    end_workers()
    end_programs()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
