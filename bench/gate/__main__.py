"""``python -m bench.gate compare BASE HEAD`` and ``python -m bench.gate check``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.gate.build import MEASURED, ROOT, build, repository, same_packages
from bench.gate.check import SHARE, check
from bench.gate.turns import ANY_SUITE, take_turns, works_of
from bench.gate.verdict import FACTOR, judge_all, markdown
from scalable.cli.screen.display import live
from scalable.errors import ScalableError, UsageError
from scalable.report.document import new_results
from scalable.report.results import write_results, write_text


def compare(
    base: str, head: str, out: Path, factor: float, suite: Path | None = None, only: str = ""
) -> bool:
    """Build two revisions, measure them in turns, write the summary; return whether nothing is slower.

    With `suite`, a folder of asv benchmarks, those that match `only` are measured, and revisions are of the repository
    that the folder lies in: any project's.

    Raises
    ------
    UsageError
        A revision cannot be built, or nothing could be measured.

    Where both hold the same packages (a change of docs or tests) there is nothing to measure, and the summary says so.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        root = ROOT if suite is None else repository(suite)
        before, after = build(base, Path(folder) / "base", root), build(head, Path(folder) / "head", root)
        start = time.perf_counter()
        samples: dict[str, dict[str, Any]] = {}
        if not same_packages(before.directory, after.directory, MEASURED if suite is None else ()):
            with live(quiet=False):
                if suite is None:
                    samples = take_turns(before.directory, after.directory)
                else:
                    works = works_of(after.directory, suite, only)
                    script = (str(ANY_SUITE), str(suite.resolve()))
                    samples = take_turns(before.directory, after.directory, works, suite=script)
    rows = judge_all(samples, factor)
    if rows and all(row["verdict"] == "skipped" for row in rows):
        reasons = "; ".join(f"{row['work']}: {row['message']}" for row in rows[:3])
        raise UsageError(f"nothing was measured: {reasons}")
    document = new_results("gate", {})
    machine = f"{document['machine']['cpu']}, {document['machine']['cores']} cores"
    names = f"{base} ({before.commit[:9]})", f"{head} ({after.commit[:9]})"
    text = markdown(rows, *names, factor, machine, "row" if suite is None else "call")
    write_text(out / "gate.md", text)
    section = {"seconds": time.perf_counter() - start, "factor": factor, "verdicts": rows, "samples": samples}
    write_results(out / "gate.json", {**document, "sections": {"gate": section}})
    sys.stdout.write(f"{text}\nwritten: {out / 'gate.md'} and {out / 'gate.json'}\n")
    return all(row["verdict"] != "slower" for row in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.gate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("compare", help="two revisions; exit code 1 when one work is slower")
    one.add_argument("base")
    one.add_argument("head", nargs="?", default="HEAD")
    one.add_argument("--factor", type=float, default=FACTOR)
    one.add_argument("--suite", type=Path, metavar="DIR", help="a folder of asv benchmarks, of any project")
    one.add_argument(
        "--bench", default="", metavar="REGEX", help="of the suite's benchmarks, those that match"
    )
    one.add_argument("--out", type=Path, default=Path(".asv/gate"), metavar="DIR")
    two = commands.add_parser("check", help="does the gate flag nothing in A/A runs, and injected slowdowns?")
    two.add_argument("revision", nargs="?", default="HEAD")
    two.add_argument("--runs", type=int, default=10, metavar="N", help="of A against a copy of A")
    two.add_argument("--slowed", type=int, default=5, metavar="N", help="of A against a copy made slower")
    two.add_argument("--share", type=float, default=SHARE, help="by which it is made slower")
    two.add_argument("--resume", action="store_true", help="go on with what the record holds")
    two.add_argument(
        "--at-once", type=int, default=1, metavar="N", help="runs side by side, a processor each"
    )
    two.add_argument("--record", type=Path, metavar="FILE", help="results document to write")
    return parser


def main() -> int:
    """Run a command; return its exit code."""
    options = _parser().parse_args()
    try:
        if options.command == "check":
            with live(quiet=False):
                passed = check(
                    options.revision, options.runs, options.slowed, options.record,
                    share=options.share, resume=options.resume, at_once=max(1, options.at_once),
                )  # fmt: skip
        else:
            passed = compare(
                options.base, options.head, options.out, options.factor, options.suite, options.bench
            )
    except ScalableError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
