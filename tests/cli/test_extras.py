"""An installation that has only some extras of the package: what works, and what the other commands say."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bootgrant import extras
from bootgrant.cli import EXTRAS, SUMMARIES
from support.few_packages import PROJECT, ROOT, FewPackages, few_packages, packages_of

ARGUMENTS = {
    "init": ["site"],
    "notify": ["test"],
    "render": ["node-1"],
    "export": ["--folder", "out"],
    "patch": ["base.yaml", "patch.yaml"],
    "import": ["topf", "project", "machines"],
    "tls": ["show"],
    "backup": ["site.backup"],
    "restore": ["site.backup"],
}
"""What the command line of a command needs at least."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> FewPackages:
    return few_packages(tmp_path_factory.mktemp("base"))


def test_the_base_has_few_packages(base: FewPackages) -> None:
    """They are installed on every laptop that approves, and on every machine that acquires."""
    assert len(base.names) <= 15, sorted(base.names)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the figures are for Python 3.11")
def test_the_documentation_has_the_number_of_packages(tmp_path: Path) -> None:
    page = (ROOT / "docs/install/python.md").read_text()
    rows = re.findall(r"\| `bootgrant(?:\[(\w+)\])?` \| (\d+) \|", page)
    assert {extra for extra, _ in rows} == {"", *PROJECT["optional-dependencies"]}
    for extra, count in rows:
        assert len(packages_of(extra)) + 1 == int(count), extra


def test_every_command_prints_its_help_without_any_extra(base: FewPackages) -> None:
    done = base.python("-c", "from bootgrant.cli import overview\noverview(whole=True)\nprint('all')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all\n", "")


def test_completion_and_kernel_parameters_need_no_extra(base: FewPackages) -> None:
    assert "complete" in base.run("completion", "bash").stdout
    assert (
        "talos.config=https://boot.example.org" in base.run("kernel-args", "--url", "https://boot.example.org").stdout
    )


def test_acquire_does_not_look_at_the_extras(base: FewPackages) -> None:
    """A machine that boots does not wait for what only other commands need."""
    words = "import sys\nfrom bootgrant.cli import CommandParser, fill\nfill(CommandParser('x'), 'acquire')"
    loaded = base.python("-c", f"{words}\nprint(*sys.modules)").stdout.split()
    assert "bootgrant.cli.acquire" in loaded
    assert not [
        name for name in loaded if name.startswith(("bootgrant.extras", "bootgrant.cli.install", "httpx2", "yaml"))
    ]


def test_doctor_and_remote_commands_get_as_far_as_the_network_without_any_extra(
    base: FewPackages, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("bootgrant_" + "t" * 43)
    doctor = base.run("doctor", "http://127.0.0.1:1")
    assert (doctor.returncode, "Traceback" in doctor.stderr) == (1, False)
    for command in (
        ["pending"],
        ["status"],
        ["approve", "BCDF-GHJK"],
        ["audit"],
        ["machines", "list"],
        ["tokens", "list"],
    ):
        done = base.run(*command, "--server", "https://127.0.0.1:1", "--token-file", str(token))
        assert (done.returncode, "127.0.0.1:1" in done.stderr) == (1, True), (command, done)


def test_a_command_without_its_extra_says_how_to_install_it(base: FewPackages) -> None:
    lines = [[command, *ARGUMENTS.get(command, ())] for command in EXTRAS]
    done = base.python("-c", f"from bootgrant.cli import main\nfor words in {lines}:\n print(main(words), flush=True)")
    assert done.stdout.split() == ["1"] * len(EXTRAS)
    for command, error in zip(EXTRAS, done.stderr.splitlines(), strict=True):
        assert error.startswith(f"bootgrant {command}: "), error
        assert error.endswith(f"-m pip install 'bootgrant[{EXTRAS[command]}]'`"), error


def test_with_json_the_answer_is_json(base: FewPackages) -> None:
    done = base.run("check", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["error"]) == (1, "", "missing_extra")
    assert "'bootgrant[server]'" in answer["message"]


def test_what_a_command_needs_only_sometimes_is_reported_when_it_needs_it(base: FewPackages, tmp_path: Path) -> None:
    folder = base.run("machines", "list", "--machines", str(tmp_path))
    assert (folder.returncode, "'bootgrant[server]'" in folder.stderr, folder.stdout) == (1, True, "")
    login = base.run("login", "https://127.0.0.1:1", "--keyring")
    assert (login.returncode, "'bootgrant[keyring]'" in login.stderr) == (1, True)


def test_a_server_on_postgresql_needs_its_extra(tmp_path: Path) -> None:
    server = few_packages(tmp_path, "server")
    done = server.run("init", str(tmp_path / "site"), "--database-url", "postgresql://bootgrant@localhost/bootgrant")
    assert (done.returncode, done.stdout) == (1, "")
    assert "database.url: psycopg is missing, a part of the extra 'postgres'" in done.stderr
    assert "'bootgrant[postgres]'" in done.stderr


def test_a_certificate_by_acme_needs_its_extra(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    server = few_packages(tmp_path / "packages", "server")
    settings = tmp_path / "bootgrant.toml"
    settings.write_text(
        'public_url = "https://boot.example.org"\nlisten = "127.0.0.1:8443"\n'
        '[tls]\nmode = "acme"\n[tls.acme]\nagree_to_terms = true\n'
    )
    done = server.python(
        "-c",
        "from pathlib import Path\n"
        "from bootgrant.service.certificates.acme import AcmeCertificate\n"
        "from bootgrant.service.certificates.challenges import ChallengeAnswers\n"
        "from bootgrant.service.settings.site import load_site\n"
        f"AcmeCertificate(load_site(Path({str(settings)!r})), bytes(32), ChallengeAnswers()).prepare(0.0)",
    )
    assert "tls.mode = \"acme\": acme is missing, a part of the extra 'acme'" in done.stderr
    assert "'bootgrant[acme]'" in done.stderr


def test_a_rehearsal_elsewhere_needs_no_server(tmp_path: Path) -> None:
    rehearse = few_packages(tmp_path, "rehearse")
    done = rehearse.run("rehearse", "--url", "http://127.0.0.1:1", "--machines", "1", "--time", "1s")
    assert "Traceback" not in done.stderr
    here = rehearse.run("rehearse", "--machines", "1")
    assert (here.returncode, "'bootgrant[server]'" in here.stderr) == (1, True)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("uv-receipt.toml", "uv tool install 'bootgrant[server]'"),
        ("pipx_metadata.json", "pipx install --force 'bootgrant[server]'"),
    ],
)
def test_the_command_is_the_one_of_the_program_that_installed_it(
    file: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert extras.how_to_install("server") == command


def test_the_messages_know_the_modules_of_every_extra() -> None:
    modules: dict[str, set[str]] = {}
    for module, projects in metadata.packages_distributions().items():
        for project in projects:
            modules.setdefault(project.lower().replace("_", "-"), set()).add(module)
    declared = PROJECT["optional-dependencies"]
    assert set(declared) == {*extras.EXTRAS, "all"}
    assert declared["all"] == [f"bootgrant[{','.join(extra for extra in declared if extra != 'all')}]"]
    for extra, known in extras.EXTRAS.items():
        names = [text.split(" ")[0].partition("[") for text in declared[extra] if not text.startswith("bootgrant")]
        for name, _, options in names:
            assert modules[name] & set(known), name
            assert all(f"{name}_{option}" in known for option in options.rstrip("]").split(",") if option == "pool")
    assert set(EXTRAS) <= set(SUMMARIES)
