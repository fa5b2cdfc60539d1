"""Text of every page we draw can be read: at least 4.5 to 1 (WCAG 2, AA) against what is behind it, in each theme."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "report": ROOT / "scalable" / "report" / "page.css",
    "describe": ROOT / "data_gen" / "describing" / "page.html.j2",
}
LEAST = 4.5
BACKGROUNDS = ("page", "surface")
VARIABLE = re.compile(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,6})\b")


def _themes(text: str) -> dict[str, dict[str, str]]:
    """Return the colours of a style sheet's variables: as it begins, and as each media query changes them."""
    first, *queries = re.split(r"@media", text)
    base = dict(VARIABLE.findall(first))
    themes = {"light": base}
    for query in queries:
        changed = dict(VARIABLE.findall(query))
        if changed:
            themes["dark" if "dark" in query.split("{")[0] else query.split("{")[0].strip()] = base | changed
    return themes


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("page", PAGES)
def test_text_can_be_read_in_every_theme(page: str) -> None:
    text = PAGES[page].read_text("utf-8")
    themes = _themes(text)
    assert {"light", "dark"} <= set(themes)
    used = set(re.findall(r"(?<![\w-])(?:color|fill):\s*var\(--([\w-]+)\)", text))
    assert {"ink", "muted"} <= used
    literal = re.findall(r"(?<![\w-])color:\s*(#[0-9a-fA-F]{3,6})", text)
    assert literal == [], "colours of text are variables, so that every theme has its own"
    for theme, colours in themes.items():
        for name in used & set(colours):
            for behind in BACKGROUNDS:
                found = contrast(colours[name], colours[behind])
                assert found >= LEAST, f"{page}, {theme}: --{name} on --{behind} has {found:.2f}"


def test_pages_take_their_colours_from_these_sheets() -> None:
    styled = [
        path.relative_to(ROOT)
        for package in ("scalable", "data_gen", "bench")
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in (".css", ".j2") and re.search(r"[^-]color:", path.read_text("utf-8"))
    ]
    assert sorted(styled) == sorted(path.relative_to(ROOT) for path in PAGES.values())
