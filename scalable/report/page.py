"""The HTML report: one file that opens offline, from one or several results documents."""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scalable.errors import DataError, UsageError
from scalable.report import format as fmt
from scalable.report.blocks import build_blocks
from scalable.report.blocks.scaling import across
from scalable.report.cards import summary_cards
from scalable.report.figures.style import FIGURE, Palette
from scalable.report.others import machine_line
from scalable.report.results import write_text
from scalable.storage.documents import understood

_HERE = Path(__file__).parent
DETAILED = 4  # runs whose sections fit the line of links, too


@understood(DataError, "the results", "run the command that wrote them again")
def render(
    results: Sequence[dict[str, Any]], title: str | None = None, names: Sequence[str] | None = None
) -> str:
    """Return a self-contained HTML page about results documents of any kind.

    Parameters
    ----------
    results : sequence of dict
        Documents as :func:`scalable.report.read_results` returns them. Sections the page does not know
        are shown as plain tables.
    title : str, optional
        Heading; by default made from the documents.
    names : sequence of str, optional
        What tells documents of the same kind apart, e.g. the names of their files.

    Raises
    ------
    UsageError
        When there is no document.
    """
    if not results:
        raise UsageError("report: no results given; name at least one results.json")
    together = across(results)
    across_runs = {**_bare("across runs", results), "sections": {"scaling": together}}
    documents = [across_runs] if together else []
    together_names = [*("" for _ in documents), *(names or ["" for _ in results])]
    articles = [
        _article(document, number, name)
        for number, (document, name) in enumerate(zip([*documents, *results], together_names, strict=True), 1)
    ]
    _tell_apart(articles)
    page = _template().render(
        title=title or _title(results),
        articles=articles,
        detailed=len(articles) <= DETAILED,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    numbers = itertools.count(1)
    return re.sub(
        r"<svg.*?</svg>", lambda svg: svg[0].replace(FIGURE, f"f{next(numbers)}-"), page, flags=re.S
    )


@functools.cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2")


def write_report(
    path: str | os.PathLike[str], results: Sequence[dict[str, Any]], title: str | None = None
) -> None:
    """Write the page atomically; raises `DataError` when the file cannot be written."""
    write_text(path, render(results, title))


def _bare(kind: str, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a document made here from others: it has their machine and commands."""
    commands = dict.fromkeys(str(document["command"]) for document in results if document.get("command"))
    return {
        "kind": kind, "machine": results[0].get("machine", {}), "created": "", "versions": {},
        "command": "\n".join(commands),
    }  # fmt: skip


def _name(document: dict[str, Any]) -> str:
    """Return what tells a run from others on the page."""
    dataset = document.get("sections", {}).get("dataset")
    kind = _words(document)
    return f"{kind}: {dataset['name']}" if isinstance(dataset, dict) and dataset.get("name") else kind


def _words(document: dict[str, Any]) -> str:
    """Return the kind of a document as a heading."""
    kind = str(document.get("kind", "results"))
    kind = _KINDS.get(kind, kind).replace("_", " ")
    return kind[:1].upper() + kind[1:]


def _title(results: Sequence[dict[str, Any]]) -> str:
    kinds = list(dict.fromkeys(_words(document) for document in results))
    if len(kinds) > 3:
        return f"{len(results)} results"
    words = [kinds[0], *(kind[:1].lower() + kind[1:] for kind in kinds[1:])]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _tell_apart(articles: list[dict[str, Any]]) -> None:
    """Add to headings that occur more than once what tells their runs apart."""
    kinds = [article["kind"] for article in articles]
    for article, kind in zip(articles, kinds, strict=True):
        name = article["name"].replace("_", " ")
        if kinds.count(kind) > 1 and name:
            same = name.lower().startswith(kind.lower())
            article["kind"] = name[:1].upper() + name[1:] if same else f"{kind}: {name}"


def _article(document: dict[str, Any], number: int, name: str) -> dict[str, Any]:
    """Return what the template shows of one document."""
    sections = document.get("sections", {})
    machine = document.get("machine", {})
    dataset = sections.get("dataset") if isinstance(sections.get("dataset"), dict) else {}
    created = str(document.get("created", ""))
    facts = {
        "Processor": machine.get("cpu"),
        "Cores used": machine.get("cores"),
        "Memory": fmt.size(machine.get("memory_bytes")),
        "System": machine.get("system"),
        "Vector instructions": machine.get("vectors"),
        "Processors that others used": machine.get("others"),
        "Load when written": machine.get("load"),
        "Commit": document.get("git_commit"),
        "Seed": document.get("seed"),
        "Created": created.replace("T", " ").replace("+00:00", " UTC"),
    }
    facts |= {key: value for key, value in machine.items() if key not in _MACHINE}
    blocks = build_blocks(sections, Palette())
    return {
        "id": f"run{number}",
        "name": name,
        "kind": _name(document),
        "subtitle": _subtitle(dataset or {}, machine, created, timed="latency" in sections),
        "cards": summary_cards(sections),
        "blocks": blocks,
        "command": document.get("command"),
        "facts": {key: fmt.anything(value) for key, value in facts.items() if value not in (None, "")},
        "versions": document.get("versions", {}),
    }


_KINDS = {"versus": "side by side"}
_MACHINE = {"cpu", "cores", "memory_bytes", "system", "vectors", "others", "load"}


def _subtitle(dataset: dict[str, Any], machine: dict[str, Any], created: str, *, timed: bool) -> str:
    parts = []
    if dataset.get("name"):
        rows = f", {fmt.count(dataset['rows'])} rows" if dataset.get("rows") else ""
        parts.append(f"{dataset['name']}{rows}")
    if machine.get("cpu"):
        parts.append(f"{machine['cpu']}, {machine.get('cores', '?')} cores")
    parts += [created[:10], (machine_line(machine) if timed else None) or ""]
    return " · ".join(part for part in parts if part)
