"""Log-odds of fraud as a function of the row as written: the truth of the `fraud` dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_gen.datasets.fraud.kernels import DAY_MS, byte
from data_gen.values.elementary import exp2f, log2f
from scalable.kernels.jit import kernel

F, I32 = np.float32, np.int32
SHARPNESS = F(0.9)  # of all effects: with it the Bayes AUC is 0.91
NIGHT_OLDER, NIGHT_YOUNGER = F(0.47), F(-1.04)


@kernel(inline=True)
def drift_weight(kind: Any, day: Any, middle: Any, width: Any) -> Any:
    """Return how far the concept has drifted, 0 to 1, on a day (fractional, since the epoch).

    Kind 0 never drifts, 1 rises linearly over `width` days around `middle`, 2 jumps at `middle`.
    """
    if kind == 0:
        return F(0)
    if kind == 2:
        return F(1) if day >= middle else F(0)
    return min(max(F(0.5) + (day - middle) / width, F(0)), F(1))


@kernel(fastmath=True)
def add_signals(amount: Any, ratio: Any, declines: Any, hour_count: Any, day_count: Any, merchants: Any,
                opened: Any, channel: Any, address: Any, address_valid: Any, last: Any, size: Any,
                out: Any) -> None:  # fmt: skip
    """Write the effects of quantities: logarithms, some of which turn round with the channel or each other.

    `size` is scratch. Loops are kept apart because LLVM vectorises only those that touch few arrays.
    """
    for i in range(out.size):
        size[i] = log2f(F(amount[i])) - F(12.5)
    for i in range(out.size):
        out[i] = (F(0.26) if channel[i] >= 2 else F(-0.16)) * size[i]
        out[i] += F(0.20) * min(max(log2f(ratio[i] + F(0.05)), F(-1)), F(3))
    for i in range(out.size):
        young = F(10) - log2f(F(31 + opened[i]))
        out[i] += (F(0.22) if channel[i] >= 2 else F(0.04)) * young
    for i in range(out.size):
        out[i] += F(0.40) * min(F(declines[i]), F(4)) + F(0.02) * min(F(merchants[i]), F(20))
    for i in range(out.size):
        bad = (F(2.4) if size[i] > F(0) else F(0.3)) * address[i] * address[i]
        out[i] += bad if address_valid[i] else F(0.3)
    for i in range(out.size):
        out[i] += F(0.45) if (size[i] > F(0)) != (hour_count[i] > 0) else F(-0.45)
    for i in range(out.size):
        out[i] += F(0.40) if (last[i] < F(25)) != (day_count[i] > 1) else F(-0.40)
        out[i] -= F(0.08) * log2f(F(1 + I32(day_count[i])))


@kernel(fastmath=True)
def add_context(time: Any, day: Any, epoch: Any, kind: Any, middle: Any, width: Any, category: Any, country: Any,
                channel: Any, device: Any, device_valid: Any, abroad: Any, age: Any, age_valid: Any,
                by_category: Any, by_later: Any, by_country: Any, by_pair: Any, by_channel: Any, by_device: Any,
                out: Any) -> None:  # fmt: skip
    """Add the effects of categories and their pairs, of the hour, and of the drift."""
    for i in range(out.size):
        s = by_country[country[i]] + by_channel[channel[i]] + (F(0.3) if abroad[i] else F(0))
        out[i] += s + by_pair[I32(category[i]) * I32(by_country.size) + I32(country[i])]
    for i in range(out.size):
        out[i] += by_device[device[i]] if device_valid[i] else F(0)
    for i in range(out.size):
        since = time[i] - epoch - np.int64(day[i]) * DAY_MS
        hours = F(since) * F(1 / 3_600_000)
        w = drift_weight(kind, F(day[i]) + hours * F(1 / 24), middle, width)
        out[i] += by_category[category[i]] + w * (by_later[category[i]] - by_category[category[i]])
        # the two levels keep the rate of fraud even: nights change who is hit, not how many
        older = age[i] >= 47 and age_valid[i]
        out[i] += (NIGHT_OLDER if older else NIGHT_YOUNGER) * (F(1) - w) if hours < F(6) else F(0)
        out[i] += F(1.2) * w if channel[i] == 3 and hours >= F(9) and hours < F(17) else F(0)


@kernel(fastmath=True)
def add_interactions(amount: Any, ratio: Any, declines: Any, hour_count: Any, abroad: Any, age: Any,
                     age_valid: Any, credit: Any, credit_valid: Any, opened: Any, home: Any, home_valid: Any,
                     last: Any, seconds: Any, card_hash: Any, merchant_hash: Any, quantiles: Any,
                     out: Any) -> None:  # fmt: skip
    """Add interactions, missingness, and the risks that cards and merchants have of their own."""
    for i in range(out.size):
        out[i] += F(1.5) if abroad[i] and ratio[i] > F(2.5) else F(0)
    for i in range(out.size):
        out[i] += F(1.7) if last[i] * F(3600) > F(300) * F(60 + seconds[i]) else F(0)
    for i in range(out.size):
        out[i] += F(1.2) if declines[i] >= 1 and hour_count[i] >= 2 else F(0)
    for i in range(out.size):
        out[i] += F(2.0) if amount[i] < 1000 and hour_count[i] >= 1 else F(0)
    for i in range(out.size):
        out[i] += F(1.4) if home_valid[i] and home[i] > F(60) and not abroad[i] else F(0)
    for i in range(out.size):
        u = (F(age[i]) - F(47)) * F(1 / 20)
        out[i] += F(0.35) * min(u * u, F(4)) if age_valid[i] else F(0.3)
    for i in range(out.size):
        known = F(0.6) - F(0.3) * exp2f((F(credit[i]) - F(640)) * F(0.008))
        hidden = F(1.1) if opened[i] < 400 else F(0.3)
        out[i] += known if credit_valid[i] else hidden
    for i in range(out.size):
        own = F(0.45) * quantiles[byte(card_hash[i], 32)] + F(0.45) * quantiles[byte(merchant_hash[i], 16)]
        both = F(0.30) * quantiles[byte(card_hash[i], 40)] * quantiles[byte(merchant_hash[i], 24)]
        out[i] = SHARPNESS * (out[i] + own + both)
