"""A billion rows on one machine: generate, verify, train three models, evaluate, compile, score.

    python -m bench.billion --out billion --rows 1e7,1e8,1e9 --cluster-at 1e8
    python -m bench.billion --page          # fill docs/billion.md from docs/results/billion.json

A run that was killed goes on where it stopped; the stage that was running continues where it can.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from bench.billion.page import RECORD, write_page
from bench.billion.run import run
from bench.billion.watch import StageError
from scalable.cli.display import live
from scalable.cli.options import parse_count
from scalable.errors import ScalableError


def main() -> int:
    """Run what was asked for; 1 and one line on standard error when a stage fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("billion"), help="directory (default: billion)")
    parser.add_argument("--rows", default="1e7,1e8,1e9", help="sizes, in order (default: 1e7,1e8,1e9)")
    parser.add_argument("--cluster-at", default="0", help="size to repeat on a two-process Dask cluster")
    parser.add_argument("--trees", type=int, default=300, help="trees of the forest (default: 300)")
    parser.add_argument("--keep", action="store_true", help="keep the data of finished sizes")
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on")
    parser.add_argument(
        "--record", action="store_true", help=f"copy the results to {RECORD.name} and fill the page"
    )
    parser.add_argument("--page", action="store_true", help="only fill the page from the record")
    options = parser.parse_args()
    if options.page:
        write_page()
        return 0
    sizes = [parse_count(text) for text in options.rows.split(",")]
    try:
        with live(False):
            run(options.out, sizes, cluster_at=parse_count(options.cluster_at) if options.cluster_at != "0" else 0,
                trees=options.trees, keep=options.keep, resume=not options.fresh)  # fmt: skip
    except (StageError, ScalableError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    if options.record:
        shutil.copy(options.out / "results.json", RECORD)
        write_page()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
