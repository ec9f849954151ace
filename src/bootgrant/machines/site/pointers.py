"""What git has instead of a file, when the file is kept elsewhere: pointers of Git LFS, and submodules."""

from __future__ import annotations

from typing import Final

LFS_POINTER: Final = (
    "a pointer of Git LFS, not the file itself: run `git lfs pull` in a folder; bootgrant does not fetch LFS, so keep "
    "the file in git itself (git lfs untrack)"
)
SUBMODULE: Final = (
    "a git submodule whose files are not here: bootgrant does not fetch submodules, so put the files into this "
    "repository (git subtree add), or run `git submodule update --init` in a folder"
)
_LFS: Final = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(raw: bytes) -> bool:
    """Whether Git LFS left a pointer where the file should be."""
    return raw.startswith(_LFS)
