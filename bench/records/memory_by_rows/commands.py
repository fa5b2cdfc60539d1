"""Peak memory of commands that read rows, by the number of rows: each in a process of its own.

    python -m bench.records.memory_by_rows.commands --rows 1e7 1e8 --out docs/results/memory_rows.json

`physics` of each size is generated, learned from by descent and by Newton's method, evaluated and scored, with the
linear model and with a small forest trained on the fewest rows, and removed again: 114 bytes a row, 9 more for
predictions. Peaks are the high-water mark of resident memory that the kernel kept of the process (`VmHWM`); what is
asked for is that they do not grow with the rows: at most five percent from the fewest to the most.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scalable.cli.options import parse_count
from scalable.report.document import new_results
from scalable.report.results import write_results

BYTES_A_ROW = 130
ALLOWED = 1.05
CHILD = """
import json, sys
from scalable.cli.app import build
from scalable.cli.screen.failure import run
code = run(build(), sys.argv[1:])
from scalable.boosting.workers.life import peak_rss
print(json.dumps({"code": code, "peak": peak_rss()}))
"""


def peak_of(*words: object) -> dict[str, Any]:
    """Run a command in a process of its own; return its peak memory in bytes and its seconds."""
    began = time.monotonic()
    child = [sys.executable, "-c", CHILD, *map(str, words)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines()
    found = json.loads(said[-1]) if said else {"code": done.returncode}
    if found["code"]:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stderr[-2000:]}")
    return {"peak_rss_bytes": found["peak"], "elapsed_seconds": time.monotonic() - began}


def measure(home: Path, rows: int, seed: int, forest: Path) -> list[dict[str, Any]]:
    """Return a row a command, on data of one size."""
    data, scored = home / "rows", home / "scored"
    model, exact = home / "descent", home / "newton"
    asked = ("--target", "signal")
    found = []

    def note(command: str, *words: object) -> None:
        row = {"command": command, "rows": rows, **peak_of(*words, "--quiet")}
        found.append(row)
        print(f"{command:24} {rows:>13,} rows {row['peak_rss_bytes'] / 1e6:8.1f} MB "
              f"{row['elapsed_seconds']:7.1f} s", flush=True)  # fmt: skip

    note("generate", "generate", "physics", "--rows", rows, "--out", data, "--seed", seed)
    note("train by descent", "train", "logistic", data, *asked, "--model", model, "--solver", "sgd")
    note("train by Newton", "train", "logistic", data, *asked, "--model", exact, "--solver", "newton")
    if not forest.exists():
        peak_of("train", "lightgbm", data, *asked, "--model", forest, "--n-estimators", 20, "--quiet")
    for name, saved in (("linear", model), ("forest", forest)):
        note(f"evaluate, {name}", "evaluate", saved, data, *asked)
        note(f"predict, {name}", "predict", saved, data, "--out", scored)
        shutil.rmtree(scored)
    for place in (data, model, exact):
        shutil.rmtree(place)
    return found


def ratios(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each command, its peak with the most rows over that with the fewest."""
    found = []
    for command in dict.fromkeys(row["command"] for row in rows):
        own = sorted((row for row in rows if row["command"] == command), key=lambda row: int(row["rows"]))
        ratio = own[-1]["peak_rss_bytes"] / own[0]["peak_rss_bytes"]
        found.append({
            "command": command, "rows_least": own[0]["rows"], "rows_most": own[-1]["rows"], "ratio": ratio,
            "flat": ratio <= ALLOWED,
        })  # fmt: skip
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=["1e7", "1e8"], help="sizes (default: 1e7 1e8)")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--dir", type=Path, help="where data lies meanwhile (default: the temporary directory)"
    )
    parser.add_argument("--out", type=Path, help="results document to write")
    options = parser.parse_args()
    sizes = sorted(parse_count(text) for text in options.rows)
    room = shutil.disk_usage(options.dir or tempfile.gettempdir()).free
    if sizes[-1] * BYTES_A_ROW > room:
        raise SystemExit(
            f"{sizes[-1]:,} rows take {sizes[-1] * BYTES_A_ROW / 1e9:.0f} GB, {room / 1e9:.0f} are free"
        )
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.dir) as home:
        for size in sizes:
            rows += measure(Path(home), size, options.seed, Path(home) / "forest")
    compared = ratios(rows)
    for each in compared:
        print(f"{each['command']:24} {each['ratio']:.3f} {'' if each['flat'] else 'grows'}")
    if options.out is not None:
        command = (
            f"python -m bench.records.memory_by_rows.commands --rows {' '.join(options.rows)} --out FILE"
        )
        sections = {"memory": rows, "memory_ratios": compared}
        write_results(options.out, new_results("memory", sections, options.seed, command))


if __name__ == "__main__":
    main()
