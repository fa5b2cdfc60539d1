"""Copies recorded results into the README and the pages of docs/.

``python -m bench.readme`` rewrites what stands between ``<!-- capture:NAME -->`` and ``<!-- /capture -->``
with what the terminal showed of ``docs/results/NAME.json``, and the tables of :mod:`bench.tables`; a test
fails when pages and records differ.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from bench import tables

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- capture:(\w+) -->\n)(.*?)(<!-- /capture -->)", re.DOTALL)


def capture(name: str, root: Path = ROOT) -> str:
    """Return what the terminal showed at the end of a recorded run, as a Markdown code block."""
    from rich.console import Console

    from scalable.report.results import read_results
    from scalable.report.terminal import print_summary

    document = read_results(root / "docs" / "results" / f"{name}.json")
    screen = io.StringIO()
    print_summary(document, Console(file=screen, width=100, no_color=True))
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    return "```console\n$ " + str(document["command"]) + "\n" + "\n".join(lines).strip("\n") + "\n```\n"


def filled(text: str, root: Path = ROOT, results: str = "results") -> str:
    """Return a Markdown text with every block made anew from its record; `results` is where its links find records."""
    text = BLOCK.sub(lambda found: f"{found[1]}{capture(found[2], root)}{found[4]}", text)
    return tables.filled(text, root / "docs" / "results", results)


def pages(root: Path = ROOT) -> list[Path]:
    """Return the Markdown files that may hold blocks."""
    docs = root / "docs"
    return [root / "README.md", *sorted(docs.glob("*.md")), *sorted((docs / "notes").glob("*.md"))]


def refilled(page: Path, root: Path = ROOT) -> str:
    """Return what a page should say: its text with every block made anew."""
    return filled(page.read_text(), root, "../results" if page.parent.name == "notes" else "results")


def main(root: Path = ROOT) -> None:
    """Rewrite the pages in place."""
    for page in pages(root):
        page.write_text(refilled(page, root))


if __name__ == "__main__":
    main()
