"""``python -m bench.gate compare BASE HEAD`` and ``python -m bench.gate check``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.gate.build import build, same_packages
from bench.gate.check import check
from bench.gate.turns import take_turns
from bench.gate.verdict import FACTOR, judge_all, markdown
from scalable.cli.screen.display import live
from scalable.errors import ScalableError
from scalable.report.document import new_results
from scalable.report.results import write_results, write_text


def compare(base: str, head: str, out: Path, factor: float) -> bool:
    """Build two revisions, measure them in turns, write the summary; return whether nothing is slower.

    Where both hold the same packages (a change of docs or tests) there is nothing to measure, and the summary says so.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        before, after = build(base, Path(folder) / "base"), build(head, Path(folder) / "head")
        start = time.perf_counter()
        samples = {}
        if not same_packages(before.directory, after.directory):
            with live(quiet=False):
                samples = take_turns(before.directory, after.directory)
    rows = judge_all(samples, factor)
    document = new_results("gate", {})
    machine = f"{document['machine']['cpu']}, {document['machine']['cores']} cores"
    names = f"{base} ({before.commit[:9]})", f"{head} ({after.commit[:9]})"
    text = markdown(rows, *names, factor, machine)
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
    one.add_argument("--out", type=Path, default=Path(".asv/gate"), metavar="DIR")
    two = commands.add_parser("check", help="does the gate flag nothing in A/A runs, and injected slowdowns?")
    two.add_argument("revision", nargs="?", default="HEAD")
    two.add_argument("--runs", type=int, default=10, help="of A against a copy of A")
    two.add_argument("--record", type=Path, metavar="FILE", help="results document to write")
    return parser


def main() -> int:
    """Run a command; return its exit code."""
    options = _parser().parse_args()
    try:
        if options.command == "check":
            with live(quiet=False):
                passed = check(options.revision, options.runs, options.record)
        else:
            passed = compare(options.base, options.head, options.out, options.factor)
    except ScalableError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
