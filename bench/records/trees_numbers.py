"""Measure trees: alone and from Parquet beside others, threads, parts, sparse columns, held-out losses, bits.

Run ``python -m bench.records.trees_numbers SECTION --out docs/results/trees_SECTION.json``; docs/trees.md explains the
numbers. Contenders take turns within one process, so that whatever else the machine does meets all of them alike.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.trees.alone import LIGHTGBM, alone, threads
from bench.trees.bits import bits
from bench.trees.everything import everything
from bench.trees.fits import TARGETS, quality, together
from bench.trees.from_parquet import from_parquet
from bench.trees.parts import parts
from bench.trees.real import SETS, real
from bench.trees.sparse import GENERATED, REAL, sparse
from bench.trees.stage import stage
from scalable.report.document import new_results
from scalable.report.results import write_results

COLUMNS = 28


def _alone(args: argparse.Namespace) -> list[dict[str, Any]]:
    contenders = ["ours", *LIGHTGBM, "xgboost"]
    return [
        alone(int(rows), COLUMNS, leaves, args.threads, contenders)
        for rows in args.rows
        for leaves in args.leaves
    ]


def _threads(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [threads(int(rows), COLUMNS, leaves) for rows in args.rows for leaves in args.leaves]


def _parts(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [parts(int(rows), COLUMNS, leaves) for rows in args.rows for leaves in args.leaves]


def _parquet(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [from_parquet(int(rows), args.trees) for rows in args.rows]


def _together(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        found
        for name in args.datasets
        for rows in args.rows
        for leaves in args.leaves
        for found in together(name, int(rows), args.trees, leaves, args.seeds, args.threads)
    ]


def _quality(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        quality(name, int(rows), args.trees, args.seeds, args.threads)
        for name in args.datasets
        for rows in args.rows
    ]


def _real(args: argparse.Namespace) -> list[dict[str, Any]]:
    names = args.datasets if args.datasets != list(TARGETS) else list(SETS)
    return [
        real(Path(args.kept or ""), name, args.trees, leaves, args.seeds)
        for name in names
        for leaves in args.leaves
    ]


def _everything(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        everything(
            name,
            int(rows),
            args.trees,
            leaves,
            args.depth,
            args.threads,
            args.kinds,
            args.room,
            args.kept,
            args.given,
        )
        for name in args.datasets
        for rows in args.rows
        for leaves in args.leaves
    ]


def _sparse(args: argparse.Namespace) -> list[dict[str, Any]]:
    names = args.datasets if args.datasets != list(TARGETS) else [*REAL, *GENERATED]
    return [sparse(Path(args.kept or ""), name, leaves) for name in names for leaves in args.leaves]


def _stage(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [stage(int(rows)) for rows in args.rows]


def _bits(_args: argparse.Namespace) -> list[dict[str, Any]]:
    return [bits()]


SECTIONS: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
    "alone": _alone,
    "threads": _threads,
    "parts": _parts,
    "parquet": _parquet,
    "quality": _quality,
    "together": _together,
    "real": _real,
    "sparse": _sparse,
    "bits": _bits,
    "stage": _stage,
    "everything": _everything,
}


def main() -> None:
    """Run one section and write its document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6])
    parser.add_argument("--leaves", type=int, nargs="+", default=[63])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--datasets", nargs="+", default=list(TARGETS))
    parser.add_argument("--depth", type=int, default=-1)
    parser.add_argument("--kinds", nargs="+", default=["full", "rotate"])
    parser.add_argument("--room", type=float, default=0.0, help="GiB that all rows are told there are")
    parser.add_argument("--kept", help="directory for rows on disk, or of the real datasets")
    parser.add_argument("--given", help="directory of rows that are there already, for everything")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    content = SECTIONS[args.section](args)
    command = shlex.join(["python", "-m", "bench.records.trees_numbers", *sys.argv[1:]])
    document = new_results(f"trees {args.section}", {"trees": {"runs": content}}, command=command)
    write_results(Path(args.out), document)


if __name__ == "__main__":
    main()
