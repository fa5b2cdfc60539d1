"""The bare scan: the columns of a dataset decoded by Polars, one query over all files, nothing learned.

python -m bench.billion.scan DATA
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import polars as pl


def main() -> None:
    """Scan and print rows and seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    frame = pl.scan_parquet(sorted(options.data.glob("*.parquet")), cache=False)
    rows = 0
    for batch in frame.collect_batches(chunk_size=1 << 17, maintain_order=False):
        rows += batch.height
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
