"""A git repository as the source: fetched, verified, and the last good commit served on."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.ports.configurations import ConfigUnavailable, Rendered
from bootgrant.sources.git import GitOrigin
from bootgrant.wire.identity import MachineIdentity
from support.grants import UUID
from support.layered_site import BASE, site_configurations, write_machines
from support.parts import program

pytestmark = pytest.mark.anyio
CP = MachineIdentity(UUID)


@dataclass(frozen=True)
class Upstream:
    """A repository with a machines folder, as a site pushes to it."""

    folder: Path

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=ana@example", "-c", "init.defaultBranch=main")
        command = [str(program("git", "git")), *who, "-C", str(self.folder), *words]
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, *words: str) -> str:
        self.git("add", "-A")
        self.git(*words, "commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def change(self, old: str, new: str) -> None:
        base = self.folder / "site/all/00-base.yaml"
        base.write_text(base.read_text().replace(old, new))


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    write_machines(tmp_path / "upstream/site")
    made = Upstream(tmp_path / "upstream")
    made.git("init", "-q")
    made.commit()
    return made


def origin(upstream: Upstream, place: Path, signers: Path | None = None) -> GitOrigin:
    return GitOrigin(str(upstream.folder), "main", "site", place / "machines.git", 3600.0, signers)


async def rendered(source: SiteConfigurations) -> Rendered:
    made = await source.render("cp-1", CP)
    assert made is not None
    return made


async def test_the_commit_is_the_revision_and_nothing_is_checked_out(upstream: Upstream, tmp_path: Path) -> None:
    made = await rendered(site_configurations(origin(upstream, tmp_path)))
    assert made.entry.revision == upstream.git("rev-parse", "HEAD")
    assert [path.name for path in tmp_path.iterdir()] == ["machines.git", "upstream"] or not (
        tmp_path / "machines.git/site"
    ).exists()


async def test_a_push_is_taken_over_when_it_is_time_or_a_webhook_says_so(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source)
    upstream.change("demo", "pushed")
    pushed = upstream.commit()
    source.current.refresh()
    assert (await rendered(source)).entry.revision != pushed
    source.current.origin.fetch_soon()
    source.current.refresh()
    made = await rendered(source)
    assert (made.entry.revision, b"clusterName: pushed" in made.config) == (pushed, True)


async def test_a_broken_push_keeps_the_last_good_commit_also_over_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    good = (await rendered(site_configurations(origin(upstream, tmp_path)))).entry.revision
    upstream.change("type: worker", "typ: worker")
    upstream.commit()
    restarted = site_configurations(origin(upstream, tmp_path))
    assert (await rendered(restarted)).entry.revision == good
    assert "all/00-base.yaml" in restarted.current.state().problem


async def test_without_the_network_the_last_good_commit_is_served_and_it_is_said(
    upstream: Upstream, tmp_path: Path
) -> None:
    good = (await rendered(site_configurations(origin(upstream, tmp_path)))).entry.revision
    away = upstream.folder.rename(tmp_path / "away")
    restarted = site_configurations(origin(upstream, tmp_path))
    assert (await rendered(restarted)).entry.revision == good
    assert "cannot be fetched" in restarted.current.state().problem
    away.rename(upstream.folder)
    restarted.current.origin.fetch_soon()
    restarted.current.refresh()
    assert restarted.current.state().problem == ""


async def test_a_broken_commit_is_told_on_after_the_network_was_away(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source)
    upstream.change("type: worker", "typ: worker")
    upstream.commit()

    def look() -> str:
        source.current.origin.fetch_soon()
        source.current.refresh()
        return source.current.state().problem

    broken = look()
    assert "all/00-base.yaml" in broken
    away = upstream.folder.rename(tmp_path / "away")
    assert "does not appear to be a git repository" in look()
    away.rename(upstream.folder)
    assert look() == broken


async def test_a_folder_that_the_commits_do_not_have_is_told_and_no_crash(upstream: Upstream, tmp_path: Path) -> None:
    await rendered(site_configurations(origin(upstream, tmp_path)))
    restarted = site_configurations(GitOrigin(str(upstream.folder), "main", "sites", tmp_path / "machines.git", 3600.0))
    for _ in range(2):
        with pytest.raises(ConfigUnavailable, match="has no folder sites"):
            await restarted.find_entry(CP)
    assert "has no folder sites" in restarted.current.state().problem


async def test_a_repository_that_was_never_reached_serves_nothing(tmp_path: Path) -> None:
    program("git", "git")
    source = site_configurations(GitOrigin(str(tmp_path / "gone"), "main", "", tmp_path / "machines.git", 60.0))
    with pytest.raises(ConfigUnavailable, match="cannot be fetched"):
        await source.find_entry(CP)


async def test_only_signed_commits_are_served_when_signers_are_named(upstream: Upstream, tmp_path: Path) -> None:
    keygen = program("ssh-keygen", "openssh-client")
    for name in ("ana", "mallory"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"ana@example {(tmp_path / 'ana.pub').read_text()}")
    source = site_configurations(origin(upstream, tmp_path, signers))
    with pytest.raises(ConfigUnavailable, match="is not signed by a key"):
        await source.find_entry(CP)

    def signed_by(name: str) -> str:
        return upstream.commit(
            "-c", "gpg.format=ssh", "-c", f"user.signingkey={tmp_path / name}", "-c", "commit.gpgsign=true"
        )

    trusted = signed_by("ana")
    source.current.origin.fetch_soon()
    source.current.refresh()
    assert (await rendered(source)).entry.revision == trusted
    signed_by("mallory")
    source.current.origin.fetch_soon()
    source.current.refresh()
    assert (await rendered(source)).entry.revision == trusted
    assert "is not signed" in source.current.state().problem


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.yaml", "all/nope"])
def test_a_link_that_leads_out_of_the_folder_is_refused(upstream: Upstream, tmp_path: Path, target: str) -> None:
    (upstream.folder / "outside.yaml").write_text("x: 1\n")
    (upstream.folder / "site/all/20-link.yaml").symlink_to(target)
    upstream.commit()
    with pytest.raises(SiteBroken, match=r"20-link\.yaml: this link points"):
        origin(upstream, tmp_path).tree()


def test_a_link_inside_the_folder_is_its_file(upstream: Upstream, tmp_path: Path) -> None:
    (upstream.folder / "site/all/20-link.yaml").symlink_to("00-base.yaml")
    upstream.commit()
    assert origin(upstream, tmp_path).tree().files["all/20-link.yaml"] == BASE.encode()


async def test_a_repository_of_finished_files_needs_no_machines_yaml(upstream: Upstream, tmp_path: Path) -> None:
    upstream.git("rm", "-rq", "site")
    (upstream.folder / "site").mkdir(exist_ok=True)
    (upstream.folder / f"site/{UUID}.yaml").write_text(BASE)
    upstream.commit()
    made = await site_configurations(origin(upstream, tmp_path)).render(f"{UUID}.yaml", CP)
    assert made is not None
    assert made.config == BASE.encode()


def test_a_password_in_the_address_is_in_no_message(tmp_path: Path) -> None:
    git = GitOrigin("https://ana:sw0rdfish@127.0.0.1:1/x.git", "main", "", tmp_path / "machines.git", 60.0)
    with pytest.raises(SiteBroken) as caught:
        git.changed()
    assert "sw0rdfish" not in str(caught.value)


async def test_the_lock_of_a_git_that_was_killed_long_ago_stops_nobody(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source)
    upstream.change("demo", "pushed")
    pushed = upstream.commit()
    lock = tmp_path / "machines.git" / "refs" / "bootgrant" / "fetched.lock"
    lock.touch()
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    source.current.origin.fetch_soon()
    source.current.refresh()
    assert (await rendered(source)).entry.revision == pushed


@pytest.mark.parametrize("revision", ["HEAD~1", "main~1", "origin/main^", "COMMIT", "SHORT"])
def test_a_past_state_is_found_as_people_name_it(upstream: Upstream, tmp_path: Path, revision: str) -> None:
    past = upstream.git("rev-parse", "HEAD")
    upstream.change("demo", "newer")
    upstream.commit()
    git = origin(upstream, tmp_path)
    assert b"newer" in git.tree().files["all/00-base.yaml"]
    tree = git.tree_at(revision.replace("COMMIT", past).replace("SHORT", past[:8]))
    assert (tree.revision, b"demo" in tree.files["all/00-base.yaml"]) == (past, True)


def test_a_past_state_that_is_none_is_told(upstream: Upstream, tmp_path: Path) -> None:
    git = origin(upstream, tmp_path)
    git.tree()
    with pytest.raises(SiteBroken, match="the branch main has no commit maintenance"):
        git.tree_at("maintenance")
