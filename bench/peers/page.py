"""Keeps a comparison as docs/results/versus.json, draws its picture, fills the tables of the pages.

python -m bench.peers.page versus  # the directory that `scalable versus --out` wrote
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from bench import readme
from bench.peers.picture import PLOT
from bench.plots import write_picture
from scalable.errors import ScalableError
from scalable.report.results import read_results, write_results

RECORD = Path("docs") / "results" / "versus.json"
PICTURE = RECORD.with_suffix(".svg")
OUT = "versus"  # what the directory of results is called in the record
POINTS = 60  # of a distribution of latencies; a page of 360 pixels shows no more
_ENVIRONMENT = re.compile(r"(?<![\w./-])/[^\s'\"]*?/(?=[^\s'\"/]+/(?:bin/python|lib/python))")


def portable(value: Any, *places: tuple[str, str]) -> Any:
    """Return a document without the paths of the machine that wrote it.

    Parameters
    ----------
    value : JSON value
    *places : (str, str)
        Paths and what to write instead; environments are named by their own directory, as in
        ``.venv/bin/python``.
    """
    if isinstance(value, dict):
        return {key: portable(item, *places) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item, *places) for item in value]
    if isinstance(value, str):
        for path, name in places:
            value = value.replace(path, name)
        return _ENVIRONMENT.sub("", value)
    return value


def thinned(points: list[list[float]]) -> list[list[float]]:
    """Return at most about `POINTS` of a distribution's, all of the last percent among them."""
    body = [point for point in points if point[0] < 0.99]
    step = max(1, -(-len(body) // POINTS))
    return [*body[::step], *(point for point in points if point[0] >= 0.99)]


def _places(document: dict[str, Any], folder: Path) -> list[str]:
    """Return the names of the directory of results, the longest first: where it is, and where it was written."""
    commands = [row.get("command", "") for row in document["sections"].get("peers", [])]
    written = {found[1] for command in commands if (found := re.search(r"--task '?(.+)/tasks/", command))}
    return sorted({str(folder.resolve()), str(folder), *written}, key=len, reverse=True)


def record(results: Path, root: Path = readme.ROOT) -> None:
    """Copy a results document into the repository and bring what shows it up to date.

    Parameters
    ----------
    results : Path
        ``results.json`` of a comparison, finished or not.
    root : Path
        Checkout that holds ``docs``.
    """
    document = read_results(results)
    document = portable(document, *((place, OUT) for place in _places(document, results.parent)))
    for rows in document["sections"].get("latency", {}).values():
        for row in rows:
            if "quantiles_us" in row:
                row["quantiles_us"] = thinned(row["quantiles_us"])
    write_results(root / RECORD, document)
    write_picture(PLOT, PLOT.figures(document["sections"]), root / PICTURE)
    readme.main(root)


def main() -> int:
    """Record a directory of results; 1 and one line on standard error when that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="directory of a comparison")
    try:
        record(parser.parse_args().out / "results.json")
    except ScalableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
