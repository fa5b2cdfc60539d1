"""Peak memory of commands that read rows, by the number of rows: each in a process of its own.

    python -m bench.records.memory_by_rows.commands --rows 1e7 1e8 --out docs/results/memory_rows.json
    python -m bench.records.memory_by_rows.commands --dataset fraud --given DIR --files 1 6 --out FILE
    python -m bench.records.memory_by_rows.commands --dataset fraud --given DIR --files 1 10 --also describe k-means

The dataset of each size is generated, learned from by descent and by Newton's method, evaluated and scored, with the
linear model and with a small forest trained on the fewest rows, and removed again: 114 bytes a row of `physics`, 37 of
`fraud`, 9 more for predictions. `--given` names data that are there already and stay: their size is what their manifest
says, and nothing is generated for it. With `--files`, the smaller sizes are some of its files: a dataset generated with
more rows has more customers and merchants, so longer dictionaries too, which is another question. `--also` takes
further commands that read all rows, by their names in `others`. Peaks are the
high-water mark of resident memory that the kernel kept of the process (`VmHWM`); what is asked for is that they do not
grow with the rows: at most five percent from the fewest to the most.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.billion import stages
from data_gen import read_manifest
from scalable.cli.options import parse_count
from scalable.report.document import new_results
from scalable.report.results import write_results

PREDICTIONS = 10  # bytes a row
ALLOWED = 1.05
FOUND = 3  # what a command ends with that found an alarm or a leak
CHILD = """
import json, sys
from scalable.cli.app import build
from scalable.cli.screen.failure import run
code = run(build(), sys.argv[1:])
from scalable.boosting.workers.life import peak_rss
print(json.dumps({"code": code, "peak": peak_rss()}))
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is learned from.

    Parameters
    ----------
    name : str
    target : str
    row_bytes : int
        Bytes a row on disk, at most.
    numbers : tuple of str
        Some columns of numbers.
    newton : tuple of str
        Arguments of Newton's method: it solves a dense system, so that ids have to be left out.
    """

    name: str
    target: str
    row_bytes: int
    numbers: tuple[str, ...]
    newton: tuple[str, ...] = ()


DATASETS = {
    each.name: each
    for each in (
        Dataset("physics", "signal", 120, ("lepton_pt", "missing_pt", "jet_1_pt")),
        Dataset(
            "fraud",
            stages.TARGET,
            40,
            ("amount_cents", "amount_ratio", "account_age_days"),
            ("--features", ",".join(stages.NEWTON)),
        ),
    )
}


def peak_of(*words: object) -> dict[str, Any]:
    """Run a command in a process of its own; return its peak memory in bytes and its seconds."""
    began = time.monotonic()
    child = [sys.executable, "-c", CHILD, *map(str, words)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    said = done.stdout.strip().splitlines()
    found = json.loads(said[-1]) if said else {"code": done.returncode}
    if found["code"] not in (0, FOUND):
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stderr[-2000:]}")
    return {"peak_rss_bytes": found["peak"], "elapsed_seconds": time.monotonic() - began}


def others(
    data: Path, dataset: Dataset, linear: Path, forest: Path, out: Path
) -> dict[str, tuple[object, ...]]:
    """Return further commands that read all rows, by name; what they write is at `out`."""
    asked, model = ("--target", dataset.target), ("--model", out)
    numbers = ("--features", ",".join(dataset.numbers))
    return {
        "describe": ("describe", data, "--out", out),
        "naive Bayes": ("train", "gaussian-nb", data, *asked, *numbers, *model),
        "PCA": ("train", "pca", data, *numbers, *model),
        "k-means": ("train", "kmeans", data, *numbers, "--n-clusters", 3, *model),
        "mixture": (
            "train",
            "gaussian-mixture",
            data,
            *numbers,
            "--n-components",
            2,
            "--max-iter",
            3,
            *model,
        ),
        "rotate": ("train", "lightgbm", data, *asked, "--boosting", "rotate", "--n-estimators", 20, *model),
        "monitor": ("monitor", linear, data, *asked),
        "compare": ("compare", linear, forest, data, *asked),
        "calibrate": ("calibrate", linear, data, *asked, "--method", "isotonic", *model),
        "explain": ("explain", forest, data, "--top", 3, "--out", out),
        "leaks": ("leaks", data, *asked),
        "card": ("card", linear, data, *asked, "--out", out),
    }


def measure(home: Path, dataset: Dataset, rows: int, seed: int, forest: Path,
            given: Path | None = None, also: Sequence[str] = ()) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row a command, on data of one size: those `given`, or generated ones, which are removed."""
    data, scored = given or home / "rows", home / "scored"
    model, exact = home / "descent", home / "newton"
    asked = ("--target", dataset.target)
    found = []

    def note(command: str, *words: object) -> None:
        row = {"command": command, "rows": rows, **peak_of(*words, "--quiet")}
        found.append(row)
        print(f"{command:24} {rows:>13,} rows {row['peak_rss_bytes'] / 1e6:8.1f} MB "
              f"{row['elapsed_seconds']:7.1f} s", flush=True)  # fmt: skip

    if given is None:
        note("generate", "generate", dataset.name, "--rows", rows, "--out", data, "--seed", seed)
    train = ("train", "logistic", data, *asked, "--model")
    note("train by descent", *train, model, "--solver", "sgd")
    note("train by Newton", *train, exact, "--solver", "newton", *dataset.newton)
    if not forest.exists():
        peak_of("train", "lightgbm", data, *asked, "--model", forest, "--n-estimators", 20, "--quiet")
    for name, saved in (("linear", model), ("forest", forest)):
        note(f"evaluate, {name}", "evaluate", saved, data, *asked)
        note(f"predict, {name}", "predict", saved, data, "--out", scored)
        shutil.rmtree(scored)
    for name in also:
        note(name, *others(data, dataset, model, forest, scored)[name])
        remove(scored)
    for place in (model, exact, *([] if given else [data])):
        shutil.rmtree(place)
    return found


def remove(place: Path) -> None:
    """Remove a file or a directory, if there is one."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def given_rows(given: Path, dataset: Dataset) -> int:
    """Return the rows of data that are there already."""
    manifest = read_manifest(given)
    if manifest.request.dataset != dataset.name:
        raise SystemExit(f"{given}: holds {manifest.request.dataset}, not {dataset.name}")
    return manifest.rows


def linked_files(given: Path, count: int, place: Path) -> int:
    """Link so many files of a dataset, evenly spaced, into a new directory; return their rows."""
    files = sorted(given.glob("*.parquet"))
    chosen = [files[len(files) * k // count] for k in range(count)]
    place.mkdir()
    for file in chosen:
        (place / file.name).symlink_to(file)
    return sum(int(pq.read_metadata(file).num_rows) for file in chosen)


def check_disk(place: Path, dataset: Dataset, generated: Sequence[int], most: int) -> None:
    """Raise unless the largest data that are generated and the most predictions have room."""
    need = max([0, *generated]) * dataset.row_bytes + most * PREDICTIONS
    room = shutil.disk_usage(place).free
    if need > room:
        raise SystemExit(f"{place}: {need / 1e9:.0f} GB are needed, {room / 1e9:.0f} are free")


def ratios(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each command, its peak with the most rows over that with the fewest it was run on."""
    found = []
    for command in dict.fromkeys(row["command"] for row in rows):
        own = sorted((row for row in rows if row["command"] == command), key=lambda row: int(row["rows"]))
        if len(own) < 2:
            continue
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
    parser.add_argument("--rows", nargs="*", help="sizes to generate (default: 1e7 1e8; none with --files)")
    parser.add_argument("--dataset", choices=DATASETS, default="physics", help="default: physics")
    parser.add_argument("--given", type=Path, help="data of the dataset, of one more size; they stay")
    parser.add_argument("--files", nargs="+", type=int, default=[], help="so many files of those, as sizes")
    names = [*others(Path(), DATASETS["fraud"], Path(), Path(), Path())]
    parser.add_argument("--also", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--dir", type=Path, help="where data lie meanwhile (default: the temporary directory)"
    )
    parser.add_argument("--out", type=Path, help="results document to write")
    options = parser.parse_args()
    dataset = DATASETS[options.dataset]
    there = {} if options.given is None else {given_rows(options.given, dataset): options.given.resolve()}
    if options.rows is None:
        options.rows = [] if options.files else ["1e7", "1e8"]
    if options.files and not there:
        raise SystemExit("--files takes files of the data that are --given")
    sizes = sorted({parse_count(text) for text in options.rows} | set(there))
    generated = [size for size in sizes if size not in there]
    check_disk(options.dir or Path(tempfile.gettempdir()), dataset, generated, sizes[-1])
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.dir) as home:
        place = Path(home)
        for count in options.files:
            part = place / f"{count} files"
            size = linked_files(options.given.resolve(), count, part)
            rows += measure(place, dataset, size, options.seed, place / "forest", part, options.also)
        for size in sizes:
            rows += measure(
                place, dataset, size, options.seed, place / "forest", there.get(size), options.also
            )
    compared = ratios(rows)
    for each in compared:
        print(f"{each['command']:24} {each['ratio']:.3f} {'' if each['flat'] else 'grows'}")
    if options.out is not None:
        words = ["--dataset", dataset.name, *(["--given", "DIR"] if there else [])]
        words = [*words, *(["--rows", *options.rows] if options.rows else [])]
        words = [*words, *(["--files", *map(str, options.files)] if options.files else [])]
        words = [*words, *(["--also", *map(shlex.quote, options.also)] if options.also else [])]
        command = f"python -m bench.records.memory_by_rows.commands {' '.join(words)} --out FILE"
        sections = {"memory": rows, "memory_ratios": compared}
        write_results(options.out, new_results("memory", sections, options.seed, command))


if __name__ == "__main__":
    main()
