"""A chunk of `fraud`: which kernel makes which columns, from which streams."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from data_gen.columns import Values
from data_gen.datasets.fraud import kernels as k
from data_gen.datasets.fraud import risk
from data_gen.optimum.binary import BinaryChunk
from data_gen.recipe import makes
from data_gen.values.laws import fill_zipf, zipf_constants

EPOCH_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z
_TRAP = 1024  # rows; a duplicate repeats a row of its own group of this many
_DRIFT = {"none": 0, "gradual": 1, "sudden": 2}


class FraudChunk(BinaryChunk):
    """Rows of `fraud`; see `Chunk`."""

    def column(self, name: str) -> Values:
        """Return an output column, with duplicated rows in place."""
        values = super().column(name)
        if self.source is None:
            return values
        return Values(values.data[self.source], None if values.valid is None else values.valid[self.source])

    def __getitem__(self, name: str) -> Any:
        made = super().__getitem__(name)
        if name in ("score", "draw", "leak draw") and self.source is not None:
            return made[self.source]
        return made

    @cached_property
    def source(self) -> Any:
        """Row (in the chunk) that each row repeats, or None when nothing is duplicated."""
        fraction = self.recipe.knobs["duplicates"]
        if not fraction:
            return None
        source = np.empty(self.n, np.int64)
        k.choose_sources(self.bits("duplicate"), fraction, _TRAP, source)
        return source

    @cached_property
    def copies(self) -> Any:
        """How often each row occurs among its own repetitions, itself included; None when nothing is duplicated."""
        return None if self.source is None else np.bincount(self.source, minlength=self.n)[self.source]

    def empty(self, *types: Any) -> list[Any]:
        """Return uninitialised arrays of the chunk's length."""
        return [np.empty(self.n, t) for t in types]

    @makes("time", "day")
    def _time(self) -> Any:
        per_day = self.recipe.knobs["rows_per_day"]
        day, slot = divmod(self.start, per_day)
        out, days = self.room("time", np.int64), np.empty(self.n, np.int32)
        k.make_time(self.words("time"), slot, day, EPOCH_MS, per_day, self.recipe.world.clock, out, days)
        return out, days

    @makes("card_id")
    def _card_id(self) -> Any:
        return self._ids("card_id", self.recipe.knobs["cards"], 0.5)

    @makes("merchant_id")
    def _merchant_id(self) -> Any:
        return self._ids("merchant_id", self.recipe.knobs["merchants"], 0.75)

    def _ids(self, name: str, n_levels: int, exponent: float) -> Any:
        out = self.room(name, np.int32)
        fill_zipf(self.bits(name), *zipf_constants(n_levels, exponent), np.int32(n_levels - 1), out)
        return out

    @makes("card hash", "home_country", "customer_age", "credit_score", "account_age_days")
    def _card(self) -> Any:
        world, key = self.recipe.world, self.recipe.world.stream("card")
        hashed, home, age, credit, opened, age_ok, credit_ok = self.empty(
            np.uint64, np.int8, np.int8, np.int16, np.int32, np.bool_, np.bool_
        )
        k.make_card(self["card_id"], key.key0, key.key1, self["day"], world.home, world.age, world.credit,
                    self.words("missing"), hashed, home, age, credit, opened, age_ok, credit_ok)  # fmt: skip
        return hashed, home, Values(age, age_ok), Values(credit, credit_ok), opened

    @makes("merchant hash", "category")
    def _merchant(self) -> Any:
        world, key = self.recipe.world, self.recipe.world.stream("merchant")
        hashed, category = self.empty(np.uint64, np.int8)
        k.make_merchant(self["merchant_id"], key.key0, key.key1, world.category, hashed, category)
        return hashed, category

    @makes("channel", "device", "country", "cross_border")
    def _channel(self) -> Any:
        world = self.recipe.world
        channel, device, known, country, abroad = self.empty(np.int8, np.int8, np.bool_, np.int8, np.bool_)
        k.make_channel(self.words("channel"), self["category"], self["home_country"], self["merchant hash"],
                       world.channel, world.device, world.home, channel, device, known, country,
                       abroad)  # fmt: skip
        return channel, Values(device, known), country, abroad

    @makes("amount_cents", "amount_ratio")
    def _amount(self) -> Any:
        world = self.recipe.world
        level, amount, ratio = self.empty(np.float32, np.int32, np.float32)
        k.make_amount(self.words("amount_cents"), self.words("amount_ratio"), self["category"],
                      world.median_amount, self["card hash"], world.quantiles, self["channel"], level,
                      amount, ratio)  # fmt: skip
        return amount, ratio

    @makes("tx_count_1h", "tx_count_24h", "declines_24h", "merchants_7d", "seconds_since_last")
    def _velocity(self) -> Any:
        out = self.empty(np.int16, np.int16, np.int8, np.int8, np.int32)
        names = ("rush", "tx_count_1h", "tx_count_24h", "declines_24h", "seconds_since_last")
        k.make_velocity(*(self.words(name) for name in names), *self.empty(np.float32), *out)
        return out

    @makes("distance_home_km", "distance_last_km")
    def _distance(self) -> Any:
        home, known, last = self.empty(np.float32, np.bool_, np.float32)
        k.make_distance(self.words("distance_home_km"), self.words("distance_last_km"), self["channel"],
                        self["cross_border"], self["seconds_since_last"], home, known, last)  # fmt: skip
        return Values(home, known), last

    @makes("address_risk")
    def _address_risk(self) -> Any:
        out, valid = self.empty(np.float32, np.bool_)
        k.make_address_risk(self.words("address_risk"), self["device"].data, self["channel"], out, valid)
        return Values(out, valid)

    @makes("score")
    def _score(self) -> Any:
        world, knobs = self.recipe.world, self.recipe.knobs
        by, (out,) = world.risk, self.empty(np.float32)
        risk.add_signals(self["amount_cents"], self["amount_ratio"], self["declines_24h"],
                         self["tx_count_1h"], self["tx_count_24h"], self["merchants_7d"],
                         self["account_age_days"], self["channel"], *self["address_risk"],
                         self["distance_last_km"], *self.empty(np.float32), out)  # fmt: skip
        risk.add_context(self["time"], self["day"], EPOCH_MS, _DRIFT[knobs["drift"]], np.float32(knobs["drift_day"]),
                         np.float32(knobs["drift_days"]), self["category"], self["country"],
                         self["channel"], *self["device"], self["cross_border"], *self["customer_age"], by["category"],
                         by["category after drift"], by["country"], by["pair"], by["channel"], by["device"],
                         out)  # fmt: skip
        risk.add_interactions(self["amount_cents"], self["amount_ratio"], self["declines_24h"],
                              self["tx_count_1h"], self["cross_border"], *self["customer_age"],
                              *self["credit_score"], self["account_age_days"], *self["distance_home_km"],
                              self["distance_last_km"], self["seconds_since_last"], self["card hash"],
                              self["merchant hash"], world.quantiles, out)  # fmt: skip
        return out

    @makes("draw")
    def _draw(self) -> Any:
        return self.bits("is_fraud")

    @makes("leak draw")
    def _leak_draw(self) -> Any:
        return self.bits("leakage")
