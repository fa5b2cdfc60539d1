"""Log-odds of fraud as a function of the row as written: the truth of the `fraud` dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_gen.datasets.fraud.kernels import DAY_MS, byte
from data_gen.elementary import exp2f, log2f
from scalable.kernels.jit import kernel

F = np.float32
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
                opened: Any, address: Any, address_valid: Any, out: Any) -> None:  # fmt: skip
    """Write the smooth effects: nearly linear in logarithms, with saturation."""
    for i in range(out.size):
        s = F(0.16) * (log2f(F(amount[i])) - F(12))
        s += F(0.22) * min(max(log2f(ratio[i] + F(0.05)), F(-1)), F(3))
        s += F(0.40) * min(F(declines[i]), F(4))
        s += F(0.30) * log2f(F(1 + hour_count[i])) - F(0.08) * log2f(F(1 + day_count[i]))
        s += F(0.02) * min(F(merchants[i]), F(20))
        s -= F(0.18) * (log2f(F(31 + opened[i])) - F(10))
        s += F(1.5) * address[i] * address[i] if address_valid[i] else F(0.3)
        out[i] = s


@kernel()
def add_context(time: Any, epoch: Any, kind: Any, middle: Any, width: Any, category: Any, country: Any,
                channel: Any, device: Any, device_valid: Any, abroad: Any, age: Any, age_valid: Any,
                by_category: Any, by_later: Any, by_country: Any, by_pair: Any, by_channel: Any, by_device: Any,
                out: Any) -> None:  # fmt: skip
    """Add the effects of categories and their pairs, of the hour, and of the drift."""
    for i in range(out.size):
        since = time[i] - epoch
        day = F(since / DAY_MS)
        w = drift_weight(kind, day, middle, width)
        c, g, n = int(category[i]), int(country[i]), by_country.size
        s = by_category[c] + w * (by_later[c] - by_category[c])
        s += by_country[g] + by_pair[c * n + g] + by_channel[channel[i]]
        s += by_device[device[i]] if device_valid[i] else F(0)
        s += F(0.3) if abroad[i] else F(0)
        hour = (since % DAY_MS) // 3_600_000
        night = hour < 6
        if night:  # the two levels keep the rate of fraud even: nights change who is hit, not how many
            s += (NIGHT_OLDER if age[i] >= 47 and age_valid[i] else NIGHT_YOUNGER) * (F(1) - w)
        s += F(1.2) * w if channel[i] == 3 and hour >= 9 and hour < 17 else F(0)
        out[i] += s


@kernel()
def add_interactions(amount: Any, ratio: Any, declines: Any, hour_count: Any, abroad: Any, age: Any,
                     age_valid: Any, credit: Any, credit_valid: Any, opened: Any, home: Any, home_valid: Any,
                     last: Any, seconds: Any, card_hash: Any, merchant_hash: Any, quantiles: Any,
                     out: Any) -> None:  # fmt: skip
    """Add interactions, missingness, and the risks that cards and merchants have of their own."""
    for i in range(out.size):
        s = F(1.5) if abroad[i] and ratio[i] > F(2.5) else F(0)
        speed = last[i] * F(3600) / F(60 + seconds[i])
        s += F(1.7) if speed > F(300) else F(0)
        s += F(1.2) if declines[i] >= 1 and hour_count[i] >= 2 else F(0)
        s += F(2.0) if amount[i] < 1000 and hour_count[i] >= 1 else F(0)
        far = home_valid[i] and home[i] > F(60)
        s += F(1.2) if far and not abroad[i] else F(0)
        u = (F(age[i]) - F(47)) / F(20)
        s += F(0.35) * min(u * u, F(4)) if age_valid[i] else F(0.3)
        if credit_valid[i]:
            s += F(0.6) - exp2f((F(credit[i]) - F(640)) * F(0.008)) * F(0.3)
        else:
            s += F(1.1) if opened[i] < 400 else F(0.3)
        card, merchant = card_hash[i], merchant_hash[i]
        s += F(0.45) * quantiles[byte(card, 32)]
        s += F(0.45) * quantiles[byte(merchant, 16)]
        s += F(0.30) * quantiles[byte(card, 40)] * quantiles[byte(merchant, 24)]
        out[i] += s
