"""Changes files of every format at random and reads them: ``python -m tests.fuzz --seconds 600``.

Each format is read once by the kernels as they are, and once by kernels that check every index (``NUMBA_BOUNDSCHECK``,
compiled into a cache of their own); at the end the kernels' own tests run with such kernels too. However slow a format
is, some hundreds of its mutants are read: what quick ones leave of the time is theirs.
"""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from sklearn.exceptions import ConvergenceWarning

from scalable.report.document import new_results
from scalable.report.results import write_results
from tests.fuzz.driver import OUTSIDE, ROOT, run
from tests.fuzz.formats import FORMATS
from tests.fuzz.outcomes import ACCEPTED, ALONE, CRASH, DIFFERENT, ERROR, HANG, MEMORY, REFUSED, UNDECIDED

PARQUET_SHARE = 0.4  # of the time
BOUNDS_SHARE = 0.25  # of each format's time, with kernels that check every index
MEANT = "tests/kernels/test_arithmetic.py::test_options_are_passed_on"  # an index outside, to see that it is noticed
FIRST_MUTANTS = 12  # to compile for, before the time begins
LEAST = {False: 300, True: 100}  # mutants of a format, without and with indices checked
QUICK = 0.5  # of an even share of the time is a format's own; the rest is for those that need more
SCRATCH, ROOM = Path("/dev/shm"), 2**32  # every mutant is written durably, which costs nothing there


def make_corpus(place, names):
    """Write small files of the formats."""
    for module in dict.fromkeys(FORMATS[name][0] for name in names):
        (place / module).mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a few passes do
            importlib.import_module(module).corpus(place / module)


def scratch():
    """Return a directory to work in, in memory where that has room."""
    held = SCRATCH.is_dir() and os.access(SCRATCH, os.W_OK) and shutil.disk_usage(SCRATCH).free > ROOM
    return tempfile.TemporaryDirectory(dir=SCRATCH if held else None)


def row(name, checked, count):
    found = count.outcomes
    return {
        "format": name, "indices_checked": checked, "mutations": count.mutations, "accepted": found[ACCEPTED],
        "refused": found[REFUSED], "crashes": found[CRASH], "hangs": found[HANG], "raw_errors": found[ERROR],
        "out_of_memory": found[MEMORY], "different_from_pyarrow": found[DIFFERENT],
        "accepted_that_pyarrow_refuses": found[ALONE], "zstd_releases_differ": found[UNDECIDED],
        "indices_outside": count.outside, "seconds": round(count.seconds, 1),
    }  # fmt: skip


def checked_environment():
    """Return what makes kernels check every index, in a cache of their own."""
    place = Path(os.environ.get("SCALABLE_CACHE_DIR") or Path.home() / ".cache/scalable-training") / "bounds"
    return {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_FULL_TRACEBACKS": "1",  # an index outside is printed, whoever catches the exception
        "SCALABLE_CACHE_DIR": str(place),
    }


def kernel_tests():
    """Run the kernels' own tests with indices checked; return the row, and what failed."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "pytest", "tests/kernels", "-q", "-rfEP", "-p", "no:cacheprovider",
               "--timeout=1800", "--deselect", MEANT]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | checked_environment(), capture_output=True, text=True, check=False
    )
    last = done.stdout.strip().splitlines()[-1:]
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", "".join(last))}
    outside = done.stdout.count(OUTSIDE)
    found = {
        "tests": "tests/kernels", "passed": counts.get("passed", 0), "indices_outside": outside,
        "failed": counts.get("failed", 0) + counts.get("error", 0), "seconds": round(time.monotonic() - begin, 1),
    }  # fmt: skip
    wrong = done.returncode != 0 or outside
    return found, [f"tests/kernels with indices checked:\n{done.stdout[-3000:]}"] if wrong else []


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--formats", nargs="*", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--bounds-only", action="store_true", help="only with indices checked")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="where inputs that fail are kept")
    parser.add_argument("--out", type=Path, help="results document to write")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rows, faults = [], []
    with scratch() as place:
        corpus, work = Path(place) / "corpus", Path(place) / "work"
        work.mkdir()
        make_corpus(corpus, options.formats)
        others = max(1, len(options.formats) - ("parquet" in options.formats))
        for name in options.formats:
            share = options.seconds * (
                PARQUET_SHARE if name == "parquet" and others > 1 else (1 - PARQUET_SHARE) * QUICK / others
            )
            for checked in (True,) if options.bounds_only else (False, True):
                env = checked_environment() if checked else {}
                part = 1.0 if options.bounds_only else BOUNDS_SHARE if checked else 1 - BOUNDS_SHARE
                seed = options.seed + checked
                count = run(name, corpus, work, seed=seed, seconds=share * part, env=env,
                            least=LEAST[checked], warm=FIRST_MUTANTS)  # fmt: skip
                rows.append(row(name, checked, count))
                label = f"{name}{', indices checked' if checked else ''}"
                print(label, count.mutations, dict(Counter(count.outcomes)), flush=True)
                faults += [f"{label}, seed {seed}: {fault}" for fault in count.faults]
                for kept in count.kept:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    target = options.keep / kept.name
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.move(kept, target)
    sections = {"fuzz": rows}
    if options.formats == list(FORMATS):
        found, failed = kernel_tests()
        sections["kernel_tests_indices_checked"] = [found]
        print(found, flush=True)
        faults += failed
    for fault in faults:
        print(fault)
    if options.out:
        command = f"python -m tests.fuzz --seconds {options.seconds:g} --seed {options.seed} --out FILE"
        write_results(options.out, new_results("fuzz", sections, options.seed, command))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
