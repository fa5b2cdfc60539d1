"""Copies recorded results into the README, between ``<!-- capture:NAME -->`` and ``<!-- /capture -->``.

``python -m bench.readme`` rewrites the blocks from ``docs/results/NAME.json``; a test fails when
the README and the records differ.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- capture:(\w+) -->\n)(.*?)(<!-- /capture -->)", re.DOTALL)


def capture(name: str) -> str:
    """Return what the terminal showed at the end of a recorded run, as a Markdown code block."""
    from rich.console import Console

    from scalable.report.results import read_results
    from scalable.report.terminal import print_summary

    document = read_results(ROOT / "docs" / "results" / f"{name}.json")
    screen = io.StringIO()
    print_summary(document, Console(file=screen, width=100, no_color=True))
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    return "```console\n$ " + str(document["command"]) + "\n" + "\n".join(lines).strip("\n") + "\n```\n"


def filled(text: str) -> str:
    """Return a Markdown text with every capture block made anew from its record."""
    return BLOCK.sub(lambda found: f"{found[1]}{capture(found[2])}{found[4]}", text)


def main() -> None:
    """Rewrite the README in place."""
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))


if __name__ == "__main__":
    main()
