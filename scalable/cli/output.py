"""Files that commands write: told to be impossible before the work begins, devices written to and never replaced."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import typer

STANDARD = ("-", "/dev/stdout")
_PAGES = (b"{", b"<", b"# ")  # how documents, pages and metrics begin, which are written over
_reserved: list[TextIO] = []  # standard output, while it is kept for a document


def output_file(context: typer.Context, path: Path | None) -> Path | None:
    """Check a file to be written, as the callback of an option; `-` keeps standard output for it.

    While standard output is kept, what a command prints for people goes to standard error.

    Raises
    ------
    typer.BadParameter
        When its folder is missing, or it names a folder, or a file of another sort, such as the data.
    """
    if path is None or context.resilient_parsing:
        return path
    if str(path) in STANDARD:
        if not _reserved:
            _reserved.append(sys.stdout)
            sys.stdout = sys.stderr
            context.call_on_close(_release)
        return Path("-")
    from scalable.storage.places import is_address, place

    if is_address(path):
        return place(path)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; make it, or choose another place")
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(64).lstrip()
        if begin and not begin.startswith(_PAGES):
            raise typer.BadParameter(
                f"{path} is there already and is no page; remove it, or choose another name"
            )
    return path


def _release() -> None:
    sys.stdout = _reserved.pop()


def write_page(path: Path, text: str) -> None:
    """Write a text to a file, to a device or pipe, or to standard output."""
    from scalable.report.results import write_text
    from scalable.storage.places import is_address

    if str(path) == "-":
        stream = _reserved[0] if _reserved else sys.stdout
        stream.write(text)
        stream.flush()
    elif not is_address(path) and _is_stream(path):
        path.write_text(text, encoding="utf-8")
    else:
        write_text(path, text)


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write a results document where ``--json`` says; nothing without it."""
    if path is None:
        return
    from scalable.report.results import to_json

    write_page(path, to_json(results))


def write_sections(
    path: Path | None, kind: str, sections: Mapping[str, Any], seed: int | None = None
) -> None:
    """Write sections as a results document of a kind where ``--json`` says; nothing without it."""
    if path is None:
        return
    from scalable.report.document import new_results

    write_json(path, new_results(kind, sections, seed))


def _is_stream(path: Path) -> bool:
    return path.exists() and not path.is_file()
