"""The look of all figures, and how a matplotlib figure becomes inline SVG.

Figures are drawn in placeholder colours that become CSS variables (``var(--s1)``), with text kept as
text in the page's font, so one drawing serves light, dark and print, and can be searched and read aloud.
"""

from __future__ import annotations

import html
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, SURFACE = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
SERIES = tuple(f"#0a0c{n:02x}" for n in range(1, 13))
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface"} | {
    colour: f"--s{n}" for n, colour in enumerate(SERIES, 1)
}

WIDTH, HEIGHT = 360, 280  # CSS pixels; a phone shows a figure at about 0.9 of this
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",  # ids from content, not from chance
    "font.family": "sans-serif",
    "font.size": 12.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 12.5,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a legend: what a colour (a CSS variable name) or a dashed line stands for."""

    name: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished figure: heading, inline SVG, legend, and a caption that says how to read it."""

    title: str
    svg: str
    caption: str = ""
    legend: list[Entry] = field(default_factory=list)


class Palette:
    """Gives each name one colour for a whole document, in order of first use."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def colour(self, name: str) -> str:
        """Return the colour of `name`."""
        return self._given.setdefault(name, SERIES[len(self._given) % len(SERIES)])

    def entry(self, name: str) -> Entry:
        """Return the legend line of `name`."""
        return Entry(name, variable(self.colour(name)))


def variable(colour: str) -> str:
    """Return the CSS variable that stands for a placeholder colour."""
    return _VARIABLES[colour]


@contextmanager
def canvas(width: float = WIDTH, height: float = HEIGHT) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure of `width` x `height` CSS pixels and its axes, drawn in the report's style."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Building its font cache, once a machine, takes matplotlib seconds and a warning nobody can act on.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        yield figure, figure.add_subplot()


FIGURE = "@figure@"  # stands in every id of a figure until a page numbers its figures
_ID = re.compile(r'\sid="([^"]+)"')
_REFERENCE = re.compile(r'(?:href="|url\()#([^")]+)')
_DECIMALS = re.compile(r"-?\d+\.\d{3,}")


def to_svg(figure: Figure, title: str, description: str) -> str:
    """Return a figure as an SVG element for embedding in HTML.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn within :func:`canvas`.
    title, description : str
        Accessible name, and what a reader who does not see the figure should know.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():  # browsers have the glyphs that matplotlib's font lacks
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r"<!--.*?-->|<style.*?</style>", "", text, flags=re.S)
    text = re.sub(r"<defs>\s*</defs>", "", re.sub(r" font-family: [^;\"]*;", "", text))
    body = text[text.index(">") + 1 :]
    used = set(_REFERENCE.findall(body))
    body = _ID.sub(lambda m: f' id="{FIGURE}{m[1]}"' if m[1] in used else "", body)
    body = _REFERENCE.sub(lambda m: m[0].replace("#", f"#{FIGURE}"), body)
    for colour, name in _VARIABLES.items():
        body = body.replace(colour, f"var({name})")
    body = re.sub(r"<[^>]+>", lambda tag: _DECIMALS.sub(_hundredths, tag[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body).strip()
    box = "0 0 {:.0f} {:.0f}".format(*(72 * figure.get_size_inches()))
    return (
        f'<svg viewBox="{box}" role="img" aria-labelledby="{FIGURE}t {FIGURE}d">'
        f'<title id="{FIGURE}t">{html.escape(title)}</title>'
        f'<desc id="{FIGURE}d">{html.escape(description)}</desc>{body}'
    )


def _hundredths(number: re.Match[str]) -> str:
    """Return a coordinate to a hundredth of a pixel."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
