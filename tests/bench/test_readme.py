from __future__ import annotations

import re
from pathlib import Path

from bench.readme import BLOCK, ROOT, filled


def test_readme_shows_the_recorded_run() -> None:
    text = (ROOT / "README.md").read_text()
    assert [found[2] for found in BLOCK.finditer(text)] == ["quickstart"]
    assert filled(text) == text, "run `python -m bench.readme`"


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


def test_no_path_of_a_machine_is_committed() -> None:
    words = ("/work" + "/", "/root" + "/", "/home" + "/")
    for page in [*ROOT.glob("*.md"), *Path(ROOT / "docs").rglob("*.*")]:
        if page.suffix in {".md", ".json", ".jsonl", ".html", ".svg"}:
            text = page.read_text()
            assert not [word for word in words if word in text], page
