"""Builds a commit as its own wheel and unpacks it beside the dependencies already installed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scalable.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ("data_gen", "scalable")


@dataclass(frozen=True, slots=True)
class Build:
    """A side: what was asked for, which commit that is, and where its packages are."""

    name: str
    commit: str
    directory: Path


def commit_of(revision: str, root: Path = ROOT) -> str:
    """Return the full commit a revision names; raises `UsageError` when there is none."""
    done = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UsageError(f"{revision}: not a commit of {root}; name a branch, tag or commit, e.g. HEAD~1")
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """Return the repository a folder lies in; raises `UsageError` when there is none."""
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--show-toplevel"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UsageError(f"{folder}: not a folder of a git repository, whose revisions could be compared")
    return Path(done.stdout.strip())


def build(revision: str, directory: Path, root: Path = ROOT) -> Build:
    """Build the wheel of a revision of the repository `root` and unpack it into `directory`.

    Raises
    ------
    UsageError
        When there is no such revision, or its wheel cannot be built; the message ends with pip's.
    """
    commit = commit_of(revision, root)
    with tempfile.TemporaryDirectory(prefix="gate-build-") as folder:
        sources, wheels = Path(folder) / "sources", Path(folder) / "wheels"
        sources.mkdir()
        archive = subprocess.run(["git", "-C", str(root), "archive", commit], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(sources)], input=archive.stdout, check=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(sources)], revision)
        (wheel,) = wheels.glob("*.whl")
        shutil.rmtree(directory, ignore_errors=True)
        _run([*pip, "install", "--no-deps", "--no-compile", "--target", str(directory), str(wheel)], revision)
    return Build(revision, commit, directory)


def same_packages(one: Path, other: Path, packages: Sequence[str] = MEASURED) -> bool:
    """Return whether packages, all where none are named, hold the same files in two build directories."""
    return _digest(one, packages) == _digest(other, packages)


def _digest(directory: Path, packages: Sequence[str]) -> str:
    found = hashlib.sha256()
    every = sorted(path.name for path in directory.iterdir() if path.suffix != ".dist-info")
    for package in packages or every:
        for path in [directory / package, *sorted((directory / package).rglob("*"))]:
            if path.is_file() and path.suffix != ".pyc":
                found.update(
                    f"{path.relative_to(directory)}\0".encode() + hashlib.sha256(path.read_bytes()).digest()
                )
    return found.hexdigest()


def _run(command: list[str], revision: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{revision}: no wheel could be made of it: {done.stderr.strip()[-800:]}")
