"""The population behind `fraud`: what cards and merchants are, and how much each thing risks.

The world has its own key (knob ``world``), apart from the seed: two seeds of one world are
independent samples of one population, as a training and a later test set are.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from data_gen.values.population import Population

CATEGORIES = (
    "grocery", "fuel", "restaurant", "fashion", "electronics", "pharmacy", "travel", "hotel",
    "airline", "streaming", "gaming", "gambling", "jewellery", "furniture", "books", "sports",
    "transport", "telecom", "utilities", "insurance", "charity", "crypto", "gift_cards", "cash",
)  # fmt: skip
COUNTRIES = (
    "US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "PL", "SE", "AT", "CH", "DK", "FI", "NO", "IE",
    "PT", "GR", "CZ", "HU", "RO", "CA", "MX", "BR", "AR", "CL", "AU", "NZ", "JP", "KR", "SG", "HK",
    "IN", "TH", "VN", "PH", "TR", "ZA", "NG", "AE",
)  # fmt: skip
CHANNELS = ("chip", "contactless", "online", "phone")
DEVICES = ("ios", "android", "windows", "mac", "linux", "emulator")
ONLINE, PHONE = 2, 3

# cents; the median purchase of each category
_MEDIANS = (2800, 4500, 3200, 5500, 15000, 1800, 24000, 18000, 32000, 1100, 2500, 5000, 21000, 26000,
            1900, 4800, 1400, 3000, 9000, 14000, 4000, 20000, 7500, 10000)  # fmt: skip
# share of chip, contactless, online (the rest is phone), percent
_CHANNEL_SHARES = ((35, 55, 10), (45, 54, 1), (40, 48, 10), (25, 25, 49), (20, 10, 68), (35, 50, 14),
                   (10, 5, 70), (30, 5, 55), (5, 1, 84), (0, 0, 99), (2, 2, 96), (5, 2, 90),
                   (50, 20, 28), (30, 8, 52), (15, 15, 69), (25, 25, 49), (20, 65, 15), (15, 10, 60),
                   (5, 2, 63), (3, 1, 56), (5, 10, 75), (0, 0, 99), (25, 15, 60), (95, 4, 0))  # fmt: skip
_DEVICE_SHARES = (30, 34, 22, 10, 2.5, 1.5)


def _spread(shares: Any) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Return 256 codes in proportion to `shares`: a table indexed by 8 random bits."""
    edges = np.cumsum(np.asarray(shares, float))
    return np.searchsorted(edges / edges[-1], (np.arange(256) + 0.5) / 256).astype(np.int8)


class World(Population):
    """Tables of one population of cards and merchants."""

    @cached_property
    def home(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Country of a card or a merchant, by 8 bits; shares fall as 1 / (rank + 1)."""
        return _spread(1.0 / (np.arange(len(COUNTRIES)) + 2.0))

    @cached_property
    def category(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Category of a merchant, by 8 bits."""
        return _spread(1.0 / (np.arange(len(CATEGORIES)) + 6.0))

    @cached_property
    def age(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Age of a card's holder, years, by 8 bits: a triangle from 18 to 92 with its mode at 38."""
        u = (np.arange(256) + 0.5) / 256
        rise = (38 - 18) / (92 - 18)
        low, high = 18 + np.sqrt(u * 74 * 20), 92 - np.sqrt((1 - u) * 74 * 54)
        return np.where(u < rise, low, high).astype(np.int8)

    @cached_property
    def credit(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """Credit score of a card's holder, points, by 8 bits: normal(670, 85) within 300 .. 850."""
        return np.asarray(np.clip(np.rint(670 + 85 * self.quantiles), 300, 850), np.int16)

    @cached_property
    def median_amount(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Base-2 logarithm of the median amount in cents, by category."""
        return np.log2(np.asarray(_MEDIANS, np.float32))

    @cached_property
    def channel(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Channel, by category and 8 random bits: (24, 256)."""
        shares = [(*s, 100 - sum(s)) for s in _CHANNEL_SHARES]
        return np.stack([_spread(s) for s in shares])

    @cached_property
    def device(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Device of an online payment, by 8 random bits."""
        return _spread(_DEVICE_SHARES)

    @cached_property
    def clock(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Milliseconds since midnight at 4,096 equal shares of a day's payments, and its end.

        Hourly volume is a raised cosine: five times as busy at 15:00 as at 03:00.
        """
        t = np.linspace(0.0, 1.0, 1 << 16)
        share = t - (2 / 3) * (np.sin(2 * np.pi * (t - 0.125)) + np.sin(2 * np.pi * 0.125)) / (2 * np.pi)
        return np.interp(np.linspace(0.0, 1.0, 4097), share, t * 86_400_000.0)

    @cached_property
    def risk(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """Effects on the log-odds of categories, countries, channels, devices and their pairs."""
        n_cat, n_country = len(CATEGORIES), len(COUNTRIES)
        return {
            "category": self.effects("risk of category", n_cat, 0.3),
            "category after drift": self.effects("risk of category after drift", n_cat, 0.45),
            "country": self.effects("risk of country", n_country, 0.25),
            "pair": self.effects("risk of category and country", n_cat * n_country, 0.5),
            "channel": np.asarray((-0.25, -0.2, 0.25, 0.15), np.float32),
            "device": np.asarray((-0.3, 0.0, 0.2, -0.2, 0.3, 1.3), np.float32),
        }
