"""A git repository as the origin: fetched, verified, and the last valid commit kept."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.sources.folder import Folder
from bootgrant.sources.git import GitOrigin
from support.grants import UUID
from support.layered_site import BASE, CP, rendered, site_configurations
from support.parts import program
from support.upstream import Signed, Upstream, new_upstream, signed_upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return new_upstream(tmp_path)


def origin(upstream: Upstream, place: Path, signers: Path | None = None) -> GitOrigin:
    return GitOrigin(str(upstream.folder), "main", "site", place / "machines.git", 3600.0, signers)


async def test_the_commit_is_the_revision_and_nothing_is_checked_out(upstream: Upstream, tmp_path: Path) -> None:
    made = await rendered(site_configurations(origin(upstream, tmp_path)), "cp-1")
    assert made.entry.revision == upstream.git("rev-parse", "HEAD")
    assert [path.name for path in tmp_path.iterdir()] == ["machines.git", "upstream"] or not (
        tmp_path / "machines.git/site"
    ).exists()


async def test_a_push_is_served_after_the_interval_or_a_webhook(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source, "cp-1")
    upstream.change("demo", "pushed")
    pushed = upstream.commit()
    source.current.refresh()
    assert (await rendered(source, "cp-1")).entry.revision != pushed
    source.current.origin.fetch_soon()
    source.current.refresh()
    made = await rendered(source, "cp-1")
    assert (made.entry.revision, b"clusterName: pushed" in made.config) == (pushed, True)


async def test_after_a_broken_push_the_last_good_commit_survives_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    good = (await rendered(site_configurations(origin(upstream, tmp_path)), "cp-1")).entry.revision
    upstream.change("type: worker", "typ: worker")
    upstream.commit()
    restarted = site_configurations(origin(upstream, tmp_path))
    assert (await rendered(restarted, "cp-1")).entry.revision == good
    assert "all/00-base.yaml" in restarted.current.state().problem


async def test_without_the_network_the_last_good_commit_is_served_and_the_problem_shown(
    upstream: Upstream, tmp_path: Path
) -> None:
    good = (await rendered(site_configurations(origin(upstream, tmp_path)), "cp-1")).entry.revision
    away = upstream.folder.rename(tmp_path / "away")
    restarted = site_configurations(origin(upstream, tmp_path))
    assert (await rendered(restarted, "cp-1")).entry.revision == good
    assert "cannot be fetched" in restarted.current.state().problem
    away.rename(upstream.folder)
    restarted.current.origin.fetch_soon()
    restarted.current.refresh()
    assert restarted.current.state().problem == ""


async def test_a_broken_commit_is_still_reported_after_a_network_failure(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source, "cp-1")
    upstream.change("type: worker", "typ: worker")
    upstream.commit()

    def problem() -> str:
        source.current.origin.fetch_soon()
        source.current.refresh()
        return source.current.state().problem

    broken = problem()
    assert "all/00-base.yaml" in broken
    away = upstream.folder.rename(tmp_path / "away")
    assert "does not appear to be a git repository" in problem()
    away.rename(upstream.folder)
    assert problem() == broken


async def test_a_missing_folder_is_reported(upstream: Upstream, tmp_path: Path) -> None:
    await rendered(site_configurations(origin(upstream, tmp_path)), "cp-1")
    restarted = site_configurations(GitOrigin(str(upstream.folder), "main", "sites", tmp_path / "machines.git", 3600.0))
    for _ in range(2):
        with pytest.raises(ConfigUnavailable, match="has no folder sites"):
            await restarted.find_entry(CP)
    assert "has no folder sites" in restarted.current.state().problem


async def test_an_unreachable_repository_serves_nothing(tmp_path: Path) -> None:
    program("git", "git")
    source = site_configurations(GitOrigin(str(tmp_path / "gone"), "main", "", tmp_path / "machines.git", 60.0))
    with pytest.raises(ConfigUnavailable, match="cannot be fetched"):
        await source.find_entry(CP)


async def test_with_signers_only_signed_commits_are_served(upstream: Upstream, tmp_path: Path) -> None:
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
    assert (await rendered(source, "cp-1")).entry.revision == trusted
    signed_by("mallory")
    source.current.origin.fetch_soon()
    source.current.refresh()
    assert (await rendered(source, "cp-1")).entry.revision == trusted
    assert "is not signed" in source.current.state().problem


@pytest.fixture
def signed(upstream: Upstream, tmp_path: Path) -> Signed:
    return signed_upstream(upstream, tmp_path)


def started(signed: Signed) -> SiteConfigurations:
    """The configurations of a server that has just started."""
    return site_configurations(origin(signed.upstream, signed.place, signed.signers))


def look(source: SiteConfigurations) -> str:
    """Fetch and look for a change; return the problem."""
    source.current.origin.fetch_soon()
    source.current.refresh()
    return source.current.state().problem


async def test_an_older_signed_commit_is_not_served_again_until_it_is_accepted(signed: Signed) -> None:
    old, new = signed.commit("old"), signed.commit("new")
    source = started(signed)
    assert (await rendered(source, "cp-1")).entry.revision == new
    signed.upstream.git("reset", "-q", "--hard", old)
    problem = look(source)
    assert problem.startswith(f"the commit {old[:12]} does not descend from {new[:12]}, which is served since 20")
    assert f"bootgrant machines accept {old[:12]}" in problem
    assert (await rendered(source, "cp-1")).entry.revision == new
    # A restart remembers it.
    restarted = started(signed)
    assert (await rendered(restarted, "cp-1")).entry.revision == new
    assert "does not descend" in restarted.current.state().problem
    assert restarted.current.acceptable(old[:12]) == (old, new)
    restarted.current.accept(old)
    assert look(restarted) == ""
    assert (await rendered(restarted, "cp-1")).entry.revision == old
    # From here on, what follows the accepted commit is served; what was before it is not.
    signed.upstream.git("reset", "-q", "--hard", new)
    assert look(restarted) == ""
    newest = signed.commit("newest")
    assert look(restarted) == ""
    assert (await rendered(restarted, "cp-1")).entry.revision == newest
    signed.upstream.git("reset", "-q", "--hard", old)
    assert "does not descend" in look(restarted)


async def test_the_signed_commit_of_another_branch_or_a_tag_is_not_served(signed: Signed) -> None:
    first = signed.commit("first")
    source = started(signed)
    await rendered(source, "cp-1")
    served = signed.commit("served")
    assert look(source) == ""
    signed.upstream.git("checkout", "-q", "-b", "other", first)
    other = signed.commit("other")
    signed.upstream.git("tag", "main", other)
    assert look(source) == ""
    assert (await rendered(source, "cp-1")).entry.revision == served
    signed.upstream.git("branch", "-f", "main", other)
    assert "does not descend" in look(source)
    assert (await rendered(source, "cp-1")).entry.revision == served


@pytest.mark.parametrize("words", ["main", "HEAD", "other", "v1", "SERVED", "a", ""])
async def test_only_the_newest_commit_can_be_accepted_by_its_id(signed: Signed, words: str) -> None:
    old, served = signed.commit("old"), signed.commit("served")
    source = started(signed)
    await rendered(source, "cp-1")
    signed.upstream.git("reset", "-q", "--hard", old)
    signed.upstream.git("tag", "v1", old)
    look(source)
    with pytest.raises(ConfigUnavailable, match=f"only the newest commit of the branch main .*: {old}"):
        source.current.acceptable(words.replace("SERVED", served))


async def test_without_signers_an_older_commit_is_served(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    old = (await rendered(source, "cp-1")).entry.revision
    upstream.change("demo", "newer")
    upstream.commit()
    assert look(source) == ""
    upstream.git("reset", "-q", "--hard", old)
    assert look(source) == ""
    assert (await rendered(source, "cp-1")).entry.revision == old


def test_a_folder_has_no_commits_to_accept(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnavailable, match="in a folder"):
        site_configurations(tmp_path).current.acceptable("0123456789ab")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.yaml", "all/nope"])
def test_a_link_out_of_the_folder_is_refused(upstream: Upstream, tmp_path: Path, target: str) -> None:
    (upstream.folder / "outside.yaml").write_text("x: 1\n")
    (upstream.folder / "site/all/20-link.yaml").symlink_to(target)
    upstream.commit()
    with pytest.raises(SiteBroken, match=r"20-link\.yaml: this link points"):
        origin(upstream, tmp_path).tree()


def test_a_link_inside_the_folder_is_followed(upstream: Upstream, tmp_path: Path) -> None:
    (upstream.folder / "site/all/20-link.yaml").symlink_to("00-base.yaml")
    upstream.commit()
    assert origin(upstream, tmp_path).tree().files["all/20-link.yaml"] == BASE.encode()


async def test_a_repository_of_finished_files_needs_no_machines_yaml(upstream: Upstream, tmp_path: Path) -> None:
    upstream.git("rm", "-rq", "site")
    (upstream.folder / "site").mkdir(exist_ok=True)
    (upstream.folder / f"site/{UUID}.yaml").write_text(BASE)
    upstream.commit()
    made = await rendered(site_configurations(origin(upstream, tmp_path)), f"{UUID}.yaml")
    assert made.config == BASE.encode()


def test_a_password_in_the_url_is_in_no_message(tmp_path: Path) -> None:
    git = GitOrigin("https://ana:sw0rdfish@127.0.0.1:1/x.git", "main", "", tmp_path / "machines.git", 60.0)
    with pytest.raises(SiteBroken) as caught:
        git.changed()
    assert "sw0rdfish" not in str(caught.value)


async def test_the_old_lock_of_a_killed_git_is_removed(upstream: Upstream, tmp_path: Path) -> None:
    source = site_configurations(origin(upstream, tmp_path))
    await rendered(source, "cp-1")
    upstream.change("demo", "pushed")
    pushed = upstream.commit()
    lock = tmp_path / "machines.git" / "refs" / "bootgrant" / "fetched.lock"
    lock.touch()
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    source.current.origin.fetch_soon()
    source.current.refresh()
    assert (await rendered(source, "cp-1")).entry.revision == pushed


@pytest.mark.parametrize("revision", ["HEAD~1", "main~1", "origin/main^", "COMMIT", "SHORT"])
def test_a_past_revision_is_found_by_its_usual_names(upstream: Upstream, tmp_path: Path, revision: str) -> None:
    past = upstream.git("rev-parse", "HEAD")
    upstream.change("demo", "newer")
    upstream.commit()
    git = origin(upstream, tmp_path)
    assert b"newer" in git.tree().files["all/00-base.yaml"]
    tree = git.tree_at(revision.replace("COMMIT", past).replace("SHORT", past[:8]))
    assert (tree.revision, b"demo" in tree.files["all/00-base.yaml"]) == (past, True)


def test_an_unknown_past_revision_is_reported(upstream: Upstream, tmp_path: Path) -> None:
    git = origin(upstream, tmp_path)
    git.tree()
    with pytest.raises(SiteBroken, match="the branch main has no commit maintenance"):
        git.tree_at("maintenance")


def test_hidden_files_and_folders_are_left_out(upstream: Upstream, tmp_path: Path) -> None:
    for path in (".hidden.yaml", ".github/a.yaml", "all/.b.yaml", "all/c.yaml"):
        (upstream.folder / "site" / path).parent.mkdir(exist_ok=True)
        (upstream.folder / "site" / path).write_text("x: 1\n")
    upstream.commit()
    files = origin(upstream, tmp_path).tree().files
    assert "all/c.yaml" in files
    assert [path for path in files if "/." in f"/{path}"] == []


def test_a_file_of_more_than_16_mebibytes_is_refused(upstream: Upstream, tmp_path: Path) -> None:
    with (upstream.folder / "site/all/large.yaml").open("wb") as file:
        file.truncate((16 << 20) + 1)
    upstream.commit()
    with pytest.raises(SiteBroken, match=r"all/large\.yaml: larger than 16 MiB"):
        origin(upstream, tmp_path).tree()


def test_a_submodule_is_reported_as_a_folder_whose_files_are_not_there(upstream: Upstream, tmp_path: Path) -> None:
    commit = upstream.git("rev-parse", "HEAD")
    upstream.git("update-index", "--add", "--cacheinfo", f"160000,{commit},site/vendor")
    upstream.git("commit", "-q", "-m", "x")
    tree = origin(upstream, tmp_path).tree()
    assert tree.submodules == ("vendor",)
    assert not any(path.startswith("vendor") for path in tree.files)


def test_an_empty_submodule_of_a_work_tree_is_reported(upstream: Upstream) -> None:
    (upstream.folder / ".gitmodules").write_text('[submodule "v"]\n\tpath = site/vendor\n\turl = x\n')
    (upstream.folder / "site/vendor").mkdir()
    assert Folder(upstream.folder / "site").tree().submodules == ("vendor",)
    (upstream.folder / "site/vendor/a.yaml").write_text("a: 1\n")
    assert Folder(upstream.folder / "site").tree().submodules == ()
