"""Running answers: what was found, whether the claim holds, and the record of all."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from bench.answers.answer import Answer, find, ids
from scalable.report.document import new_results, plain
from scalable.report.results import read_results, write_results

RECORD = Path("docs") / "results" / "answers.json"


def run(answer: Answer, rows: int | None = None) -> dict[str, Any]:
    """Measure one answer.

    Parameters
    ----------
    answer : Answer
    rows : int, optional
        By default the quick size.

    Returns
    -------
    dict
        Id, question, claim, whether it ``holds``, rows, seconds, what was ``found``, and the ``answer`` in sentences.
    """
    rows = answer.quick if rows is None else rows
    started = time.perf_counter()
    found: dict[str, Any] = plain(answer.measure(rows))
    seconds = time.perf_counter() - started
    return {
        "id": answer.id,
        "question": answer.question,
        "claim": answer.claim,
        "holds": bool(answer.holds(found)),
        "rows": rows,
        "seconds": round(seconds, 2),
        "found": found,
        "answer": answer.sentences(found),
    }


COMMAND = "python -m bench.answers.run"  # of all answers: a record holds those of several runs


def main(arguments: list[str] | None = None) -> None:
    """``python -m bench.answers.run [ID ...] [--quick] [--out FILE]``: record answers, those of before kept."""
    parser = argparse.ArgumentParser(description="Record answers at their standard size.")
    parser.add_argument("ids", nargs="*", help="by default all")
    parser.add_argument("--quick", action="store_true", help="at the quick size")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    known = read_results(options.out)["sections"]["answers"] if options.out.exists() else {}
    for name in options.ids or ids():
        answer = find(name)
        known[name] = run(answer, answer.quick if options.quick else answer.standard)
        print(
            f"{name:20} {'holds' if known[name]['holds'] else 'DOES NOT HOLD':14} {known[name]['seconds']:8.1f} s"
        )
        kept = {key: known[key] for key in ids() if key in known}
        write_results(options.out, new_results("answers", {"answers": kept}, command=COMMAND))


if __name__ == "__main__":
    main()
