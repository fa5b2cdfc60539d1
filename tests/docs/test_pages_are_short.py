"""Pages are short enough to read, their links lead somewhere, and the long form is kept apart in docs/notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import links

ROOT = links.ROOT
PAGES = [page for page in links.pages() if "docs" in page.parts and "notes" not in page.parts]
MOST_WORDS = 900
LISTS = {"docs/answers/README.md": 2000}  # one line a question
# of what is read: places that records fill are marked by comments
WORDS = {
    str(page.relative_to(ROOT)): len(re.sub(r"<!--.*?-->", "", page.read_text("utf-8")).split())
    for page in PAGES
}


def test_pages_have_at_most_900_words() -> None:
    assert not {name: words for name, words in WORDS.items() if words > LISTS.get(name, MOST_WORDS)}
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 1200


def test_every_page_can_be_found_from_the_list_of_pages() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in PAGES:
        if page.parent.name == "docs" and page.name != "README.md":
            assert f"]({page.name})" in index, f"docs/README.md does not list {page.name}"
    notes = (ROOT / "docs" / "notes" / "README.md").read_text("utf-8")
    for page in (ROOT / "docs" / "notes").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in notes, page.name


@pytest.mark.parametrize("page", links.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert links.broken(page) == []


def test_what_is_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `a`, two\n[ok](#one-a-two) [file](gone.md) [head](page.md#three) [out](../x.md)\n")
    faults = links.broken(page, tmp_path)
    assert [re.sub(r"^page\.md: ", "", fault) for fault in faults] == [
        "gone.md: no such file",
        "page.md#three: no such heading",
        "../x.md: no such file",
    ]
    monkeypatch.setattr(links, "pages", list)  # as where the package is installed and there is no checkout
    assert links.main() == 1
    page.write_text("# Links in code are none\n```\n[a](b.md)\n```\n")
    assert links.broken(page, tmp_path) == []
