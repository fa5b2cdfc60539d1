"""The desk's data: payments by day with a drift at a known date, and their stored features as known before each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import data_gen
from scalable.data.parquet import ParquetSource
from scalable.feature_store import point_in_time_join

TARGET, SEED, CARDS = "is_fraud", 3, 20_000
IDS = ("time", "asked", "card_id", "merchant_id", TARGET)
STORED = ("card_count_24h", "card_amount_cents_sum_24h", "card_amount_cents_mean_3d")
DEFINITIONS = """[views.card]
source = "{source}"
entity = "card_id"
event_time = "time"

[[views.card.aggregates]]
functions = ["count"]
windows = ["24h"]

[[views.card.aggregates]]
column = "amount_cents"
functions = ["sum"]
windows = ["24h"]

[[views.card.aggregates]]
column = "amount_cents"
functions = ["mean"]
windows = ["3d"]
"""


@dataclass(frozen=True)
class World:
    """Days of payments.

    Attributes
    ----------
    home : Path
    days, per_day : int
        Days, and payments in each.
    drift : str
        "sudden" or "gradual".
    drift_day : int
        Its middle.
    """

    home: Path
    days: int
    per_day: int
    drift: str
    drift_day: int

    @property
    def knobs(self) -> dict[str, Any]:
        """Of the generator."""
        return {
            "rows_per_day": self.per_day, "cards": CARDS,
            "drift": self.drift, "drift_day": self.drift_day, "drift_days": 4,
        }  # fmt: skip

    def make(self) -> None:
        """Write the payments, a file a day, and each day again with its stored features."""
        data_gen.generate(
            "fraud", rows=self.days * self.per_day, out=self.home / "events", seed=SEED, rows_per_file=self.per_day,
            row_group_rows=2**15, **self.knobs,
        )  # fmt: skip
        (self.home / "all.toml").write_text(DEFINITIONS.format(source="events/"))
        (self.home / "known.toml").write_text(DEFINITIONS.format(source="known/"))
        (self.home / "keys").mkdir()
        for day in range(self.days):
            table = pq.read_table(self.events(day))
            pq.write_table(
                table.append_column("asked", just_before(table["time"])),
                self.home / f"keys/{day:03d}.parquet",
            )
        point_in_time_join(self.home / "keys", self.home / "all.toml", self.home / "joined", time="asked")
        joined = pq.read_table(self.home / "joined")
        for day in range(self.days):
            pq.write_table(
                joined.slice(day * self.per_day, self.per_day), self.day(day), row_group_size=2**15
            )

    def events(self, day: int) -> Path:
        """Return the file of a day's payments."""
        return self.home / f"events/part-{day:06d}.parquet"

    def day(self, day: int) -> Path:
        """Return the file of a day's payments with stored features."""
        return self.home / f"day-{day:03d}.parquet"

    def rows(self, days: Iterable[int]) -> ParquetSource:
        """Return the labelled rows of some days."""
        return labelled([self.day(day) for day in days])

    def truth(self, day: int) -> np.ndarray:
        """Return the chance of fraud of a day's payments, which the generator knows."""
        start = day * self.per_day
        return np.asarray(data_gen.truth("fraud", start, start + self.per_day, seed=SEED, **self.knobs))

    def date(self, day: int) -> str:
        """Return a day as monitors name it."""
        return (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


def labelled(paths: list[Path]) -> ParquetSource:
    """Return files of labelled rows as a source of features."""
    names = pq.read_schema(paths[0]).names
    features = [name for name in names if name not in IDS]
    return ParquetSource([str(path) for path in paths], target=TARGET, features=features)


def just_before(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the moments before payments, at which what is known does not hold the payment itself."""
    return pc.subtract(times.cast(pa.int64()), 1).cast(times.type)
