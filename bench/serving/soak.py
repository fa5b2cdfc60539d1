"""Whether the server leaks: five minutes of rows, arrays, bad requests and swaps, memory and descriptors watched.

python -m bench.serving.soak --out docs/results/serving_soak.json
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from bench.serving.servers import train
from scalable.report.document import new_results
from scalable.report.results import write_results
from scalable.serve.load import Target, offer

RATE, SLICE, WARM_SHARE = (
    200.0,
    10.0,
    0.2,
)  # requests a second, seconds between two looks, share that is warm-up
MANY = 200  # rows of an array: they go to a thread


def _ask(place: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(place + path, body, headers), timeout=60
        ) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def soak(seconds: float, workers: int) -> dict[str, Any]:
    """Return memory and descriptors of the server's processes, a row a slice, and how they grew after the warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        model, token = Path(folder) / "forest.txt", Path(folder) / "token"
        rows = train(model)
        token.write_text("soak")
        command = [sys.executable, "-c", "from scalable.cli import main; main()", "serve", str(model), "--bind",
                   "127.0.0.1:0", "--token-file", str(token), "--workers", str(workers)]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                said = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
                assert said is not None, "the server did not start"
                looks = [_slice(process.pid, said[0], rows, k) for k in range(max(2, round(seconds / SLICE)))]
            finally:
                process.terminate()
    steady = looks[min(len(looks) - 2, round(WARM_SHARE * len(looks))) :]
    growth = {name: steady[-1][name] / steady[0][name] - 1.0 for name in ("memory_bytes", "descriptors")}
    return {
        "slices": looks,
        "memory_growth": growth["memory_bytes"],
        "descriptor_growth": growth["descriptors"],
    }


def _slice(pid: int, place: str, rows: list[dict[str, float]], k: int) -> dict[str, Any]:
    found = offer(Target(place), rows, RATE, SLICE, k)
    many, bearer = json.dumps(rows[:MANY]).encode(), {"Authorization": "Bearer soak"}
    statuses = [
        _ask(place, "/predict", many, {}),
        _ask(place, "/predict", b"{", {}),
        _ask(place, "/nowhere", b"", {}),
        _ask(place, "/v2/repository/models/forest/load", b"", bearer),
    ]
    if statuses != [200, 400, 404, 200]:
        raise SystemExit(f"the server answered {statuses}")
    server = psutil.Process(pid)
    family = [server, *server.children()]
    return {
        "seconds": (k + 1) * SLICE, "requests": found["requests"], "failed": found["failed"], "p99_us": found["p99_us"],
        "memory_bytes": sum(one.memory_info().rss for one in family),
        "descriptors": sum(one.num_fds() for one in family),
    }  # fmt: skip


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = soak(options.seconds, options.workers)
    write_results(options.out, new_results("serving", {"soak": found}))
    print(
        f"memory {found['memory_growth']:+.2%}, descriptors {found['descriptor_growth']:+.2%} after the warm-up"
    )


if __name__ == "__main__":
    main()
