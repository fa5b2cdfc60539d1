"""What the terminal shows at the end of a run: the same numbers as the page, at most 100 columns wide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scalable.errors import DataError
from scalable.report import format as fmt
from scalable.report import terminal_latency as latency
from scalable.report.blocks.block import Column
from scalable.report.blocks.peers import flat
from scalable.report.blocks.quality import reference_row
from scalable.report.cards import summary_cards
from scalable.report.others import machine_line
from scalable.report.sections import BAYES
from scalable.report.units import METRICS
from scalable.storage.documents import understood

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH, UNBOUND = 100, 10_000  # in a pipe or a file no cell is wrapped or cut
_BLANKS = re.compile(r" +(?=\n)")
_STAGES: Sequence[Column] = (
    ("stage", "name", str),
    ("time", "seconds", fmt.seconds),
    ("rows", "rows", fmt.rows),
    ("rows/s", "rows_per_second", fmt.count),
    ("peak memory", "peak_memory_bytes", fmt.size),
)
_PEERS: Sequence[Column] = (
    ("contender", "peer", str),
    ("status", "status", str),
    ("time", "seconds", fmt.seconds),
    ("rows/s", "rows_per_second", fmt.count),
    ("peak memory", "peak_memory_bytes", fmt.size),
    ("AUC", "quality auc", fmt.score),
    ("log loss", "quality log_loss", fmt.score),
    ("RMSE", "quality rmse", fmt.score),
)
_CHANGES: Sequence[Column] = (
    ("what", "what", str),
    ("A", "a", fmt.anything),
    ("B", "b", fmt.anything),
    ("change", "change_text", str),
    ("noise", "noise_text", str),
    ("verdict", "verdict", str),
)
_DIFFERENCES: Sequence[Column] = (
    ("metric", "what", str),
    ("A", "a", fmt.score),
    ("B", "b", fmt.score),
    ("difference", "change_text", str),
    ("95% interval", "noise_text", str),
    ("verdict", "verdict", str),
)
_TONES = {"better": "green", "worse": "red", "changed": "yellow", "noise": "dim"}


def _table(title: str, rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> Table:
    """Return a table of the columns that at least one row knows."""
    from rich import box
    from rich.table import Table

    shown = [column for column in columns if any(row.get(column[1]) is not None for row in rows)]
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        min_width=len(title),
    )  # fmt: skip
    for heading, key, _ in shown:
        text = any(isinstance(row.get(key), str) for row in rows) and not key.endswith("_text")
        table.add_column(heading, justify="left" if text else "right", overflow="fold", no_wrap=not text)
    for row in rows:
        tone = _TONES.get(str(row.get("verdict")))
        cells = [_written(row.get(key), write) for _, key, write in shown]
        table.add_row(*(_escape(cell) for cell in cells), style=tone)
    return table


def _written(value: Any, write: Callable[[Any], str]) -> str:
    try:
        return fmt.MISSING if value is None else write(value)
    except (TypeError, ValueError):  # of a document that other programs wrote
        return str(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _quality(rows: Any) -> Iterator[Table]:
    """Yield metrics, each beside its distance to the Bayes-optimal value."""
    best = reference_row(list(rows))
    names = [name for name in METRICS if any(row.get(name) is not None for row in rows)][:5]
    columns: list[Column] = [("model", "model", str)]
    shown: list[dict[str, Any]] = []
    for row in rows:
        line = {"model": row["model"]}
        for name in names:
            value = row.get(name)
            if value is not None:
                line[name] = fmt.score(value)
                own = reference_row(list(rows), row)
                if own and row is not own and own.get(name) is not None:
                    line[name] += f"\n{fmt.signed(value - own[name])}"
        shown.append(line)
    columns += [
        (METRICS[name][0].lower().replace("auc", "AUC").replace("pr-", "PR-"), name, str) for name in names
    ]
    table = _table("Quality" + (f", and distance to {BAYES}" if best else ""), shown, columns)
    for column in table.columns[1:]:
        column.justify = "right"
    yield table


def _stages(stages: Any) -> Iterator[Table]:
    """Yield the table of the stages."""
    yield _table("Stages", stages, _STAGES)


def _peers(peers: Any) -> Iterator[Table | str]:
    """Yield one table a job, and under it why contenders failed or are absent."""
    for job in dict.fromkeys(row["job"] for row in peers):
        contenders = [flat(row) for row in peers if row["job"] == job]
        yield _table(f"Side by side: {job}", contenders, _PEERS)
        for row in contenders:
            if row.get("message"):
                yield f"  {row['peer']}: {row['message']}"


def _tradeoffs(rows: Any) -> Iterator[Table]:
    """Yield the table of a forest's forms."""
    from scalable.report.blocks.tradeoffs import COLUMNS, tradeoffs_table

    headings = [(heading.lower().replace("auc", "AUC"), key, write) for heading, key, write in COLUMNS]
    yield _table("Trade-offs", tradeoffs_table(rows), headings)


class _Trimmed:
    """A file whose lines end with their last letter: tables are filled up to their width."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write a text of whole lines."""
        return int(self._file.write(_BLANKS.sub("", text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def fitted(console: Console | None = None, *, least: int = 0, most: int = UNBOUND) -> Console:
    """Return a console for tables.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to print; by default standard output.
    least, most : int
        Columns of a table on a terminal; a narrower terminal is taken for `least`, a wider one for `most`.
    """
    from rich.console import Console

    console = console or Console()
    if not console.is_terminal:
        file: Any = _Trimmed(console.file)
        return Console(file=file, width=UNBOUND, force_terminal=False, no_color=console.no_color)
    if least <= console.width <= most:
        return console
    width = min(max(console.width, least), most)
    return Console(file=console.file, width=width, force_terminal=True, no_color=console.no_color)


@understood(DataError, "the results", "run the command that wrote them again")
def print_summary(results: dict[str, Any], console: Console | None = None, report: str | None = None) -> None:
    """Print a results document's stages, quality and latency as tables, and its headline figures.

    Parameters
    ----------
    results : dict
        A results document; sections it lacks are skipped.
    console : rich.console.Console, optional
        Where to print; by default standard output. Wider consoles are used up to 100 columns.
    report : str, optional
        Path of the page written, named in the last line.
    """
    from rich.text import Text

    console = fitted(console, most=WIDTH)
    sections = results.get("sections", {})
    if "latency" in sections and (busy := machine_line(results.get("machine", {}))):
        console.print(Text(busy, style="yellow"), highlight=False)
    for name, tables in (
        ("stages", _stages),
        ("quality", _quality),
        ("latency", latency.latency),
        ("requests", latency.requests),
        ("open_loop", latency.open_loop),
        ("waterfall", latency.waterfall),
        ("peers", _peers),
        ("tradeoffs", _tradeoffs),
    ):
        if not sections.get(name):
            continue
        try:
            parts = list(tables(sections[name]))
        except Exception as error:  # a file of somebody else; the page shows such a section as it is
            parts = [f"{name}: of another shape ({type(error).__name__}); see the page"]
        for part in parts:
            shown = _table(*part) if isinstance(part, tuple) else part
            console.print(Text(shown, style="dim") if isinstance(shown, str) else shown, highlight=False)
    cards = summary_cards(sections)
    label = max((len(card.label) for card in cards), default=0)
    value = max((len(card.value) for card in cards), default=0)
    for card in cards:
        tone = {"good": "green", "bad": "red"}.get(card.tone, "cyan")
        name, shown, detail = (_escape(text) for text in (card.label, card.value, card.detail))
        console.print(f"{name:<{label}}  [bold {tone}]{shown:<{value}}[/]  [dim]{detail}[/]", highlight=False)
    if report:
        console.print(f"\nReport: {_escape(report)}", soft_wrap=True, highlight=False)


def print_differences(rows: Sequence[dict[str, Any]], a: str, b: str, console: Console | None = None) -> None:
    """Print the paired differences of two models (:mod:`scalable.evaluate.paired`)."""
    console = fitted(console, most=WIDTH)
    shown = [
        {
            **row,
            "what": METRICS.get(row["metric"], (row["metric"],))[0],
            "noise_text": None
            if row["se"] is None
            else f"{fmt.signed(row['low'])} to {fmt.signed(row['high'])}",
            "change_text": fmt.signed(row["difference"]),
        }
        for row in rows
    ]
    title = f"{_escape(b)} against {_escape(a)}, paired on the same rows"
    console.print(_table(title, shown, _DIFFERENCES), highlight=False)


def print_comparison(comparison: dict[str, Any], console: Console | None = None) -> None:
    """Print what :func:`scalable.report.compare.compare` found."""
    console = fitted(console, most=WIDTH)
    for warning in [*comparison["warnings"], *comparison.get("notes", [])]:
        console.print(f"[yellow]{_escape(warning)}[/]")
    order = {"worse": 0, "better": 1, "changed": 2, "noise": 3}
    changed = [row for row in comparison["rows"] if row["verdict"] in order]
    if changed:
        changed.sort(key=lambda row: order[row["verdict"]])
        console.print(_table("Changes from A to B", changed, _CHANGES))
    console.print(comparison["summary"], highlight=False)
