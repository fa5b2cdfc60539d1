"""`fraud`: card payments with rare fraud, ids that carry their own risk, missing values and drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_gen.columns import CATEGORY, TIMESTAMP, Column, Frame, Knob
from data_gen.datasets.fraud import world as w
from data_gen.datasets.fraud.chunk import FraudChunk
from data_gen.datasets.fraud.kernels import make_leak
from data_gen.errors import RequestError
from data_gen.optimum.binary import BinaryRecipe

DESCRIPTION = "card payments, 0.5% fraud: imbalance, high-cardinality ids, missing values, drift"

KNOBS = (
    Knob("prevalence", 0.005, "mean probability of fraud", low=1e-5, high=0.5),
    Knob("cards", 10_000_000, "levels of card_id", low=2, high=2**31 - 1),
    Knob("merchants", 100_000, "levels of merchant_id", low=2, high=2**31 - 1),
    Knob("rows_per_day", 1_000_000, "payments in a day", low=24, high=10**9),
    Knob("drift", "none", "concept drift along time", choices=("none", "gradual", "sudden")),
    Knob("drift_day", 30.0, "middle of the drift, days since the first row", low=0, high=1e9),
    Knob("drift_days", 20.0, "width of a gradual drift, days", low=1e-3, high=1e9),
    Knob("leakage", "", "name of an extra column that is known only after the fact; empty for none"),
    Knob("duplicates", 0.0, "fraction of rows that repeat a recent row", low=0, high=0.9),
    Knob("world", 0, "which population; two seeds of one world are two samples of it", low=0, high=2**31),
)

COLUMNS = (
    Column("time", TIMESTAMP, "ms since 1970 UTC", "rows_per_day rows a day from 2020-01-01, five times as "
           "dense at 15:00 as at 03:00", "delta"),
    Column("card_id", "int32", "id", "Zipf with exponent 1/2 over `cards` levels, 0 the most frequent"),
    Column("merchant_id", "int32", "id", "Zipf with exponent 3/4 over `merchants` levels"),
    Column("category", CATEGORY, "1", "a property of the merchant", "dictionary", levels=w.CATEGORIES),
    Column("country", CATEGORY, "1", "where the payment is booked: the card's home, unless the merchant's",
           "dictionary", levels=w.COUNTRIES),
    Column("home_country", CATEGORY, "1", "a property of the card", "dictionary", levels=w.COUNTRIES),
    Column("cross_border", "bool", "1", "country differs from home_country"),
    Column("channel", CATEGORY, "1", "given the category", "dictionary", levels=w.CHANNELS),
    Column("device", CATEGORY, "1", "of online payments; missing otherwise (at random given the channel)",
           "dictionary", nullable=True, levels=w.DEVICES),
    Column("amount_cents", "int32", "cent", "log-normal given category, channel and the card's level"),
    Column("amount_ratio", "float32", "1", "amount over the card's 30-day mean, to 0.01"),
    Column("customer_age", "int8", "year", "a property of the card; 2% missing completely at random",
           "dictionary", nullable=True),
    Column("account_age_days", "int32", "day", "a property of the card (uniform 0 .. 4095) plus the day",
           "delta"),
    Column("credit_score", "int16", "point", "a property of the card, normal(670, 85) in 300 .. 850; missing "
           "for 30% below 560 and 4% above (not at random)", "dictionary", nullable=True),
    Column("distance_home_km", "float32", "km", "log-normal, farther abroad; missing for 85% of remote and 1% "
           "of other payments (at random given the channel)", nullable=True),
    Column("distance_last_km", "float32", "km", "log-normal given the seconds since the last payment"),
    Column("seconds_since_last", "int32", "s", "exponential given the counts, at most 30 days"),
    Column("tx_count_1h", "int16", "1", "geometric-like given the row's hidden rush", "delta"),
    Column("tx_count_24h", "int16", "1", "tx_count_1h plus a count given the rush", "delta"),
    Column("declines_24h", "int8", "1", "geometric-like given the rush", "dictionary"),
    Column("merchants_7d", "int8", "1", "distinct merchants, uniform given tx_count_24h", "delta"),
    Column("address_risk", "float32", "1", "reputation of the network address, cube of a uniform, to 0.01; "
           "online only", "dictionary", nullable=True),
    Column("is_fraud", "int8", "1", "drawn from p(y=1|x) of the row as written", "dictionary"),
)  # fmt: skip


class FraudRecipe(BinaryRecipe):
    """`fraud` bound to its seed and knobs."""

    chunk_type = FraudChunk
    target = "is_fraud"

    def __init__(self, name: str, seed: int, knobs: Mapping[str, Any]) -> None:
        super().__init__(name, seed, knobs)
        self.world = w.World(self.knobs["world"], "fraud")
        self.columns = COLUMNS
        leak = self.knobs["leakage"]
        if leak:
            if leak in {c.name for c in COLUMNS}:
                raise RequestError(
                    f"knob leakage={leak!r}: fraud already has that column; choose another name"
                )
            extra = Column(
                leak, "bool", "1", "known only after the fact: set for 96% of frauds, 0.05% of others"
            )
            self.columns = (*COLUMNS[:-1], extra, COLUMNS[-1])

    @property
    def after_label(self) -> tuple[str, ...]:
        """Names of the columns computed from the label."""
        return tuple(name for name in (self.knobs["leakage"], self.target) if name)

    def finish(self, frame: Frame, start: int, stop: int, label: Any) -> None:
        """Fill the leakage column, if there is one."""
        leak = self.knobs["leakage"]
        if leak not in frame:
            return
        for chunk in self.chunks(start, stop):
            a, b = max(start, chunk.start), min(stop, chunk.start + chunk.n)
            here = slice(a - start, b - start)
            bits = chunk["leak draw"][a - chunk.start : b - chunk.start]
            make_leak(label[here], bits, frame[leak].data[here])


RECIPE = FraudRecipe
