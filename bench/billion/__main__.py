"""A billion rows on one machine: generate, verify, train three models, evaluate, compile, score.

    python -m bench.billion --out billion --rows 1e7,1e8,1e9 --cluster-at 1e8
    python -m bench.billion --out billion --record-only  # what has been done so far into docs/

A run that was killed goes on where it stopped; the stage that was running continues where it can. A stage that
fails does not keep those that do not need it from running; the same command tries it again.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bench.billion.page import RECORD, record
from bench.billion.run import run
from bench.billion.watch import StageError
from scalable.cli.options import parse_count
from scalable.cli.screen.display import live
from scalable.errors import ScalableError


def main() -> int:
    """Run what was asked for; 1 and one line on standard error when a stage fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("billion"), help="directory (default: billion)")
    parser.add_argument("--rows", default="1e7,1e8,1e9", help="sizes, in order (default: 1e7,1e8,1e9)")
    parser.add_argument("--cluster-at", default="0", help="size to repeat on a two-process Dask cluster")
    parser.add_argument("--trees", type=int, default=400, help="trees of the forest (default: 400)")
    parser.add_argument("--keep", action="store_true", help="keep the data of finished sizes")
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on")
    parser.add_argument(
        "--mended", action="store_true", help="go on though the commit is another; each stage tells its own"
    )
    parser.add_argument("--record", action="store_true", help=f"then copy the results to {RECORD}")
    parser.add_argument("--record-only", action="store_true", help="copy what there is so far, run nothing")
    options = parser.parse_args()
    results = options.out / "results.json"
    try:
        if not options.record_only:
            _run(options)
        if options.record or options.record_only:
            record(results)
    except (StageError, ScalableError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell put us in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the running command, too
    sizes = [parse_count(text) for text in options.rows.split(",")]
    cluster_at = 0 if options.cluster_at == "0" else parse_count(options.cluster_at)
    with live(False):
        run(options.out, sizes, cluster_at=cluster_at, trees=options.trees, keep=options.keep,
            resume=not options.fresh, mended=options.mended)  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
