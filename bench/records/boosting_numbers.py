"""Measure boosting: fill, deals, rotation, losses, network.

Run ``python -m bench.records.boosting_numbers SECTION --rows N --out docs/results/boosting_SECTION.json``;
docs/boosting.md and docs/cluster_sizing.md explain the numbers. Data is written once under ``SCALABLE_BENCH_DATA``.
Every contender runs in a process tree of its own whose memory is sampled five times a second.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.boosting.deals import section_deals
from bench.boosting.filling import section_fill
from bench.boosting.losses import section_kill
from bench.boosting.network import section_network
from bench.boosting.rotation import section_rotate
from scalable.report.document import new_results
from scalable.report.results import write_results

SECTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "fill": section_fill,
    "deals": section_deals,
    "rotate": section_rotate,
    "kill": section_kill,
    "network": section_network,
}
EVERYBODY = "rotate,rotate_lightgbm,gbdt"


def main() -> None:
    """Run one section and write its document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--only", default=EVERYBODY, help="contenders of rotate, by commas")
    parser.add_argument(
        "--with", dest="extra", default="{}", help="further arguments of the section, as JSON"
    )
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    # A run that is told to end still takes down what it set up: namespaces, control groups, processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    content = SECTIONS[args.section](
        int(args.rows), args.trees, args.only.split(","), **json.loads(args.extra)
    )
    command = shlex.join(["python", "-m", "bench.records.boosting_numbers", *sys.argv[1:]])
    document = new_results(f"boosting {args.section}", {"boosting": content}, command=command)
    write_results(Path(args.out), document)


if __name__ == "__main__":
    main()
