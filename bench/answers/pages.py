"""The pages of the answers, from the record and the files: ``python -m bench.answers.pages``.

``docs/answers/README.md`` is the table of all; ``docs/answers/ID.md`` and ``ID.svg`` are one answer and its figure.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.answers.answer import SECTIONS, Answer, find, ids
from bench.answers.run import RECORD
from bench.plots import STYLE
from scalable.report.results import read_results

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("docs") / "answers"

_END = re.compile(r"[:;]|\. |, (?:but|and|while|for|because) ")  # of the first clause


def page(answer: Answer, result: dict[str, Any]) -> str:
    """Return the Markdown page of one answer."""
    seen = "holds" if result["holds"] else "**does not hold**"
    code = os.path.relpath(answer.path, ROOT / FOLDER)
    links = [f"[`{link}`]({os.path.relpath(ROOT / link, ROOT / FOLDER)})" for link in answer.links]
    return "\n".join([
        f"# {answer.question}", "", *_wrapped(" ".join(result["answer"])), "",
        f"![{answer.claim}]({answer.id}.svg)", "",
        f"Claim: {answer.claim} It {seen} at {result['rows']:,} {answer.unit}.", "",
        f"Measured by [`{code.removeprefix('../../')}`]({code}); repeat it with", "",
        "```sh", f"scalable answer {answer.id} --rows {result['rows']}", "```", "",
        f"In the library: {', '.join(links)}.", "",
    ])  # fmt: skip


def table(results: dict[str, Any]) -> str:
    """Return the front page: each question with the beginning of its answer, up to the numbers."""
    lines = [
        "# Questions of machine learning, answered by measurement", "",
        "Behind each line are a program that measures the answer, a figure, and sentences with the numbers it found; "
        "`scalable answer ID` runs it again. A claim that did not hold is marked.", "",
    ]  # fmt: skip
    for section, title in SECTIONS.items():
        rows = [name for name in ids() if name in results and find(name).section == section]
        if not rows:
            continue
        lines += [f"## {title}", "", "| question | measured answer |", "|---|---|"]
        for name in rows:
            short = _END.split(results[name]["answer"][0])[0].rstrip(".").replace("|", "\\|") + "."
            mark = "" if results[name]["holds"] else "**The claim did not hold.** "
            lines.append(f"| [{find(name).question}]({name}.md) | {mark}{short} |")
        lines.append("")
    return "\n".join(lines)


def figure(answer: Answer, found: dict[str, Any]) -> Figure:
    """Return the figure of an answer."""
    drawn = Figure(figsize=(6.4, 3.2), layout="constrained")
    answer.draw(found, drawn.subplots())
    return drawn


def main(root: Path = ROOT) -> None:
    """Write all pages."""
    results = read_results(root / RECORD)["sections"]["answers"]
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    for name in [name for name in ids() if name in results]:
        answer = find(name)
        (folder / f"{name}.md").write_text(page(answer, results[name]), encoding="utf-8")
        with mpl.rc_context(STYLE):
            drawn = figure(answer, results[name]["found"])
            FigureCanvasSVG(drawn).print_svg(folder / f"{name}.svg", metadata={"Date": None})
    (folder / "README.md").write_text(table(results), encoding="utf-8")


def _wrapped(text: str, width: int = 110) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


if __name__ == "__main__":
    main()
