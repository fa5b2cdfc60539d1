"""What an object store costs: SGD and Newton from s3:// beside local files and bare ranged reads, in one run.

    python -m bench.objects.numbers --rows 20M --out docs/results/object_stores.json

Each way runs twice in a process of its own; seconds are those of the second time, which finds nothing fetched. Bare
reads fetch the same column chunks with the same library and number of requests, and throw them away; what is planned
from the footers before does not count. The server runs on the same cores, and so does the link, a process of its own.
DuckDB of a version that its extension for S3 fits comes from a folder of its own, put before others:

    pip install --target duckdb-s3 duckdb==1.5.5 duckdb-extension-httpfs==1.5.5; export PYTHONPATH=duckdb-s3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.objects.link import Link
from bench.objects.server import KEYS, server
from scalable.cli.options import parse_count
from scalable.report.document import new_results
from scalable.report.results import write_results

BUCKET, PREFIX = "bench-bucket", "rows"
DELAY, SPEED = 0.05, 200e6


def run(way: str, place: str, address: str) -> dict[str, Any]:
    """Return seconds, bytes and a digest of what a way found, in a process of its own."""
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}
    words = [sys.executable, "-m", "bench.objects.ways", way, place]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1][:200]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def upload(folder: Path, address: str) -> None:
    """Put the files of a folder into the bucket."""
    from obstore.store import S3Store

    names = {name.removeprefix("AWS_").lower(): value for name, value in KEYS.items()}
    store = S3Store(BUCKET, endpoint=address, client_options={"allow_http": True}, **names)
    for file in sorted(folder.glob("*.parquet")):
        with file.open("rb") as stream:
            store.put(f"{PREFIX}/{file.name}", stream)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="20M")
    parser.add_argument("--compression", default="lz4")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", default="polars,pyarrow,duckdb")
    parser.add_argument("--scratch", help="where data and the server's files go")
    parser.add_argument("--out", required=True)
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(dir=given.scratch))
    try:
        from data_gen import generate

        local, stored = scratch / "rows", scratch / "server"
        stored.mkdir()
        generate("physics", rows=parse_count(given.rows), out=local, compression=given.compression)
        there = f"s3://{BUCKET}/{PREFIX}"
        peers = [f"{name} scan" for name in given.peers.split(",") if name]
        with server(stored) as address:
            upload(local, address)
            found: dict[str, list[dict[str, Any]]] = {}
            for _ in range(given.repeat):
                for way in ("sgd", "newton"):
                    found.setdefault(f"{way}, local", []).append(run(way, str(local), address))
                for way in ("reads", "sgd", "newton", *peers):
                    found.setdefault(f"{way}, s3", []).append(run(way, there, address))
            with Link(address, DELAY, SPEED) as link:
                for way in ("reads", "32 reads", "sgd"):
                    found[f"{way}, s3 over the link"] = [run(way, there, link.address)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    ways = [told(*each) for each in found.items()]
    sections: dict[str, Any] = {
        "link": {"delay": DELAY, "bytes_per_second": SPEED},
        "ways": ways,
        "asked": asked({each["way"]: each for each in ways}),
    }
    write_results(given.out, new_results("object_stores", {"object_stores": sections}))
    for each in [*ways, *sections["asked"]]:
        print(json.dumps(each))


def asked(ways: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was asked of each fit from the store, and what was found; a fit that failed is left out."""
    rows: list[dict[str, Any]] = []
    for fit in ("sgd", "newton"):
        here, there, bare = ways[f"{fit}, local"], ways[f"{fit}, s3"], ways["reads, s3"]
        if not all("seconds" in each for each in (here, there, bare)):
            continue
        alone = here["seconds"] + bare["seconds"] * there["bytes"] / bare["bytes"]  # a pass after another
        more, times = there["peak_mib"] - here["peak_mib"], there["bytes"] / bare["bytes"]
        rows += [
            {
                "what": f"{fit}: seconds over (local + bare reads)",
                "asked": "<= 1.15",
                "found": there["seconds"] / alone,
            },
            {"what": f"{fit}: bytes fetched over those of the columns", "asked": "1", "found": times},
            {"what": f"{fit}: the same bits", "asked": "yes", "found": there["digest"] == here["digest"]},
            {
                "what": f"{fit}: MiB of memory beyond local",
                "asked": "<= 256",
                "found": more,
            },
        ]
    for way, least in (
        ("reads", ">= .97, of the link itself"),
        ("32 reads", ">= .97, of the link itself"),
        ("sgd", ">= .9"),
    ):
        over = ways[f"{way}, s3 over the link"]
        if "seconds" in over:
            share = over["bytes"] / SPEED / over["seconds"]
            rows.append(
                {"what": f"{way}: share of the link with 50 ms a request", "asked": least, "found": share}
            )
    return rows


def told(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of a way's runs."""
    failed = [each["failed"] for each in runs if "failed" in each]
    if failed:
        return {"way": name, "failed": failed[0]}
    seconds = [each["seconds"] for each in runs]
    digests = {each.get("digest") for each in runs}
    known = {"way": name, "seconds": statistics.median(seconds), "all_seconds": seconds}
    return {
        **known,
        "digest": " ".join(sorted(map(str, digests))),
        "bytes": runs[0]["bytes"],
        "kept_mib": runs[0]["kept_mib"],
        "peak_mib": max(each["peak_mib"] for each in runs),
    }


if __name__ == "__main__":
    main()
