"""Changes files of every format at random and reads them: ``python -m tests.fuzz --seconds 600``."""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scalable.report.document import new_results
from scalable.report.results import write_results
from tests.fuzz.driver import run
from tests.fuzz.formats import FORMATS
from tests.fuzz.outcomes import ACCEPTED, ALONE, CRASH, DIFFERENT, ERROR, HANG, KIND, MEMORY, REFUSED

PARQUET_SHARE = 0.4  # of the time
BOUNDS_SHARE = 0.25  # of each format's time, with kernels that check every index


def make_corpus(place, names):
    """Write small files of the formats."""
    for module in dict.fromkeys(FORMATS[name][0] for name in names):
        (place / module).mkdir(parents=True)
        importlib.import_module(module).corpus(place / module)


def row(name, count, seconds):
    found = count.outcomes
    return {
        "format": name, "mutations": count.mutations, "accepted": found[ACCEPTED], "refused": found[REFUSED],
        "crashes": found[CRASH], "hangs": found[HANG], "raw_errors": found[ERROR], "out_of_memory": found[MEMORY],
        "different_from_pyarrow": found[DIFFERENT], "accepted_that_pyarrow_refuses": found[ALONE],
        "read_by_polars_refused_by_pyarrow": found[KIND], "seconds": round(seconds, 1),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--formats", nargs="*", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where inputs that fail are kept")
    parser.add_argument("--json", type=Path, help="results document to write")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rows, faults = [], []
    with tempfile.TemporaryDirectory() as scratch:
        corpus, work = Path(scratch) / "corpus", Path(scratch) / "work"
        work.mkdir()
        make_corpus(corpus, options.formats)
        others = max(1, len(options.formats) - ("parquet" in options.formats))
        checked = (
            Path(os.environ.get("SCALABLE_CACHE_DIR") or Path.home() / ".cache/scalable-training") / "bounds"
        )
        bounds = {"NUMBA_BOUNDSCHECK": "1", "SCALABLE_CACHE_DIR": str(checked)}
        for name in options.formats:
            share = options.seconds * (
                PARQUET_SHARE if name == "parquet" and others > 1 else (1 - PARQUET_SHARE) / others
            )
            for label, part, env in (
                (name, 1 - BOUNDS_SHARE, {}),
                (f"{name}, bounds checked", BOUNDS_SHARE, bounds),
            ):
                begin = time.monotonic()
                seed = options.seed + bool(env)
                count = run(name, corpus, work, seed=seed, seconds=share * part, env=env)
                rows.append(row(label, count, time.monotonic() - begin))
                print(label, count.mutations, dict(Counter(count.outcomes)), flush=True)
                faults += [f"{label}, seed {seed}: {fault}" for fault in count.faults]
                for kept in count.kept:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    target = options.keep / kept.name
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.move(kept, target)
    for fault in faults:
        print(fault)
    if options.json:
        write_results(
            options.json, new_results("fuzz", {"fuzz": {"seed": options.seed, "formats": rows}}, options.seed)
        )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
