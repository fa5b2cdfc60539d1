"""Builds a commit as its own wheel and unpacks it beside the dependencies already installed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
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


def commit_of(revision: str) -> str:
    """Return the full commit a revision names; raises `UsageError` when there is none."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UsageError(f"{revision}: not a commit of {ROOT}; name a branch, tag or commit, e.g. HEAD~1")
    return done.stdout.strip()


def build(revision: str, directory: Path) -> Build:
    """Build the wheel of a revision and unpack it into `directory`.

    Raises
    ------
    UsageError
        When there is no such revision, or its wheel cannot be built; the message ends with pip's.
    """
    commit = commit_of(revision)
    with tempfile.TemporaryDirectory(prefix="gate-build-") as folder:
        sources, wheels = Path(folder) / "sources", Path(folder) / "wheels"
        sources.mkdir()
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(sources)], input=archive.stdout, check=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(sources)], revision)
        (wheel,) = wheels.glob("*.whl")
        shutil.rmtree(directory, ignore_errors=True)
        _run([*pip, "install", "--no-deps", "--no-compile", "--target", str(directory), str(wheel)], revision)
    return Build(revision, commit, directory)


def same_packages(one: Path, other: Path) -> bool:
    """Return whether the packages that are measured hold the same files in two build directories."""
    return _digest(one) == _digest(other)


def _digest(directory: Path) -> str:
    found = hashlib.sha256()
    for package in MEASURED:
        for path in sorted((directory / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                found.update(
                    f"{path.relative_to(directory)}\0".encode() + hashlib.sha256(path.read_bytes()).digest()
                )
    return found.hexdigest()


def _run(command: list[str], revision: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{revision}: no wheel could be made of it: {done.stderr.strip()[-800:]}")
