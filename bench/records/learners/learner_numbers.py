"""Records of learners beside what people would use instead, one at a time.

python -m bench.records.learners.learner_numbers naive_bayes --rows 1e7 --out docs/results/learners_naive_bayes.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.records.learners import components, coverage, effects, kernels, many_rows, mixtures, naive_bayes
from scalable.report.document import new_results
from scalable.report.results import write_results

RECORDS: dict[str, tuple[Callable[[int], dict[str, Any]], float]] = {
    "naive_bayes": (naive_bayes.measure, 1e7),
    "components": (components.measure, 1e6),
    "mixtures": (mixtures.measure, 5e5),
    "kernels": (kernels.measure, 1e6),
    "effects": (effects.measure, 1e7),
    "many_rows": (many_rows.measure, 1e8),
    "coverage": (coverage.measure, 1e5),
}


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=RECORDS)
    parser.add_argument("--rows", type=float)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    measure, rows = RECORDS[given.what]
    found = measure(int(given.rows or rows))
    print(json.dumps(found, indent=1))
    write_results(given.out, new_results(f"learners {given.what}", {given.what: found}, seed=0))


if __name__ == "__main__":
    main()
