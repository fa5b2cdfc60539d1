"""Links of the documentation: every file and every heading they name must be there.

``python -m bench.links`` checks README, CHANGELOG and the pages of docs/ without a network, and ends with 1 when a link
leads nowhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*$", re.MULTILINE)
NAMED = re.compile(r'<a id="([^"]+)">')


def anchor(heading: str) -> str:
    """Return what a link writes after ``#`` for a heading, as GitHub and Python-Markdown's slugs do."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return all anchors of a page."""
    text = FENCED.sub("", text)
    return {anchor(heading) for heading in HEADING.findall(text)} | set(NAMED.findall(text))


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """Return a line a link of `page` that leads nowhere."""
    faults = []
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, place = target.partition("#")
        there = (page.parent / path).resolve() if path else page.resolve()
        name = page.resolve().relative_to(root.resolve())
        if not there.is_relative_to(root.resolve()) or not there.exists():
            faults.append(f"{name}: {target}: no such file")
        elif place and there.suffix == ".md" and place not in anchors(there.read_text("utf-8")):
            faults.append(f"{name}: {target}: no such heading")
    return faults


def pages(root: Path = ROOT) -> list[Path]:
    """Return all Markdown files that readers are shown."""
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def main() -> int:
    """Check all pages and print what is broken."""
    faults = [fault for page in pages() for fault in broken(page)]
    if not pages():  # installed, not a checkout: nothing was looked at
        faults = [f"{ROOT}: there are no pages; run this in a checkout"]
    print("\n".join(faults) or f"{len(pages())} pages, every link leads somewhere")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
