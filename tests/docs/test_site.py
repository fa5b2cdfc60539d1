"""The site: every page is in it and in its list, links stay inside it, and the reference has all public names."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import links, site

NAV = re.compile(r"[\w./]+\.md")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    site.stage(folder)
    return folder


def test_every_page_is_in_the_list_of_the_site(pages: Path) -> None:
    nav = (site.ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1]
    listed = set(NAV.findall(nav))
    many = {"notes", "answers"}  # their own first pages list them
    written = {str(page.relative_to(pages)) for page in pages.rglob("*.md") if page.parent.name not in many}
    assert listed == written | {f"{folder}/README.md" for folder in many}


def test_links_of_staged_pages_lead_to_staged_pages(pages: Path) -> None:
    assert [fault for page in pages.rglob("*.md") for fault in links.broken(page, pages)] == []


@pytest.mark.parametrize("package", site.PACKAGES)
def test_the_reference_has_every_public_name(package: str) -> None:
    names = [name for name, _ in site.public(package)]
    text = site.reference(package, "about")
    assert names
    assert [name for name in names if f"## {name}\n" not in text] == []
    for place in re.findall(r"::: ([\w.]+)", text):
        module, _, name = place.rpartition(".")
        assert hasattr(sys.modules[module], name), place


def test_links_out_of_the_site_become_words() -> None:
    page = site.ROOT / "docs" / "a.md"
    text = "[code](../scalable/linear/svc.py) [read](../README.md#two) [b](b.md)\n```\n[c](../x.py)\n```\n"
    here = site.relinked(text, page, Path("a.md"))
    assert here == "code [read](project/README.md#two) [b](b.md)\n```\n[c](../x.py)\n```\n"
    assert (
        site.relinked("[a](../a.md)", site.ROOT / "docs" / "notes" / "n.md", Path("notes/n.md"))
        == "[a](../a.md)"
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="the extra 'docs' is not installed")
def test_it_is_built_without_a_warning_and_loads_nothing_from_elsewhere() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.site"], cwd=site.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for page in (site.ROOT / "build" / "site").rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text("utf-8")
        )
        assert loaded == [], page
