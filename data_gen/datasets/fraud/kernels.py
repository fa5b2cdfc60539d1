"""Vector loops of `fraud`: from random words and an id's hash to the written columns.

Each kernel makes the columns that share hidden quantities of the row. Values are rounded here, so
that everything computed from them later sees what the file holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from data_gen.elementary import exp2f, log2f
from data_gen.laws import exponential, normal, unit, unit64
from data_gen.random import GAMMA, mix
from scalable.kernels.jit import kernel

F = np.float32
I32 = np.int32
BYTE = np.uint64(0xFF)
DAY_MS = 86_400_000


@kernel(inline=True)
def byte(hashed: Any, shift: Any) -> Any:
    """Return 8 bits of a hash as an index."""
    return I32((hashed >> np.uint64(shift)) & BYTE)


@kernel(inline=True)
def tenth(x: Any) -> Any:
    """Return a float32 rounded to one decimal, as the nearest float32 to that decimal."""
    return F(np.float64(np.rint(x * F(10))) / 10.0)


@kernel(inline=True)
def hundredth(x: Any) -> Any:
    """Return a float32 rounded to two decimals, as the nearest float32 to that decimal."""
    return F(np.float64(np.rint(x * F(100))) / 100.0)


@kernel()
def make_time(words: Any, first_slot: Any, day_ms: Any, slots: Any, clock: Any, out: Any) -> None:
    """Write payment times, increasing with the row.

    Parameters
    ----------
    words : (n,) uint32
        Places a payment inside its slot.
    first_slot, slots : int
        Slot of the first row in its day, and slots (rows) in a day.
    day_ms : int64
        Start of the first row's day, ms since 1970.
    clock : (4097,) float64
    out : (n,) int64
        Milliseconds since 1970 UTC.
    """
    day, slot = day_ms, first_slot
    for i in range(out.size):
        share = 4096.0 * ((slot + np.float64(unit(words[i]))) / slots)
        knot = min(int(share), 4095)
        out[i] = day + int(clock[knot] + (share - knot) * (clock[knot + 1] - clock[knot]))
        slot += 1
        if slot == slots:
            slot, day = 0, day + DAY_MS


@kernel()
def make_card(card: Any, key0: Any, key1: Any, day: Any, home: Any, age: Any, credit: Any, mask: Any,
              hashed: Any, home_out: Any, age_out: Any, credit_out: Any, opened: Any,
              age_valid: Any, credit_valid: Any) -> None:  # fmt: skip
    """Write the attributes of each row's card, from the hash of its id.

    Age goes missing completely at random (2%), credit score not at random (30% below 560 points,
    4% above). `opened` is the account's age in days; `day` (n,) int32 counts from the epoch.
    """
    for i in range(card.size):
        h = mix(key0 + np.uint64(card[i] + 1) * GAMMA, key1)
        hashed[i] = h
        home_out[i] = home[byte(h, 0)]
        age_out[i] = age[byte(h, 8)]
        score = credit[byte(h, 16)]
        credit_out[i] = score
        opened[i] = I32((h >> np.uint64(52)) & np.uint64(0xFFF)) + day[i]
        age_valid[i] = (mask[i] & np.uint32(0xFFFF)) >= np.uint32(1311)
        hide = np.uint32(19661) if score < 560 else np.uint32(2621)
        credit_valid[i] = (mask[i] >> np.uint32(16)) >= hide


@kernel()
def make_merchant(merchant: Any, key0: Any, key1: Any, category: Any, hashed: Any, out: Any) -> None:
    """Write the hash of each row's merchant and its category."""
    for i in range(merchant.size):
        h = mix(key0 + np.uint64(merchant[i] + 1) * GAMMA, key1)
        hashed[i] = h
        out[i] = category[byte(h, 0)]


@kernel()
def make_channel(words: Any, category: Any, home_out: Any, merchant_hash: Any, channels: Any, devices: Any,
                 home: Any, channel: Any, device: Any, device_valid: Any, country: Any,
                 abroad: Any) -> None:  # fmt: skip
    """Write channel, device, country of the payment and whether that is not the card's own.

    A card pays at home, except for one online payment in three (the merchant's country) and one
    card-present payment in 25 (travelling). The device is known online only (missing at random).
    """
    for i in range(words.size):
        w = words[i]
        c = channels[category[i], I32(w & np.uint32(0xFF))]
        channel[i] = c
        device[i] = devices[I32((w >> np.uint32(8)) & np.uint32(0xFF))]
        device_valid[i] = c == 2
        away = np.uint32(85) if c == 2 else np.uint32(10)
        moves = ((w >> np.uint32(16)) & np.uint32(0xFF)) < away
        there = home[byte(merchant_hash[i], 8)]
        country[i] = there if moves else home_out[i]
        abroad[i] = country[i] != home_out[i]


@kernel(fastmath=True)
def make_amount(words: Any, noise: Any, median: Any, card_hash: Any, quantiles: Any, channel: Any,
                amount: Any, ratio: Any) -> None:  # fmt: skip
    """Write the amount in cents (log-normal) and its ratio to the card's 30-day mean.

    The logarithm's mean is the category's median plus the card's spending level; the recent mean
    is the card's level, known up to a log-normal factor.
    """
    for i in range(words.size):
        level = F(0.7) * quantiles[byte(card_hash[i], 24)]
        remote = F(0.35) if channel[i] >= 2 else F(0)
        cents = exp2f(median[i] + level + remote + F(1.25) * normal(words[i]))
        amount[i] = I32(min(max(np.rint(cents), F(1)), F(1e9)))
        usual = exp2f(F(12.2) + level + F(0.4) * normal(noise[i]))
        ratio[i] = hundredth(min(F(amount[i]) / usual, F(1000)))


@kernel()
def make_velocity(rush: Any, first: Any, second: Any, third: Any, last: Any, hour: Any, day: Any,
                  declines: Any, merchants: Any, seconds: Any) -> None:  # fmt: skip
    """Write counts of the last hour, day and week and the seconds since the last payment.

    All are drawn given the row's hidden rush (exponential): geometric-like counts whose mean grows
    with it, distinct merchants given the day's count, a waiting time given both counts.
    """
    for i in range(rush.size):
        busy = exponential(rush[i])
        h = min(I32(F(0.45) * (F(0.25) + busy) * exponential(first[i])), I32(60))
        d = min(h + I32(F(1.2) * (F(0.4) + busy) * exponential(second[i])), I32(200))
        hour[i], day[i] = h, d
        spare = unit(third[i])
        declines[i] = min(I32(F(0.16) * (F(0.3) + busy) * exponential(third[i])), I32(20))
        merchants[i] = min(I32(1) + I32(F(d + 3) * spare), I32(100))
        wait = exponential(last[i]) * F(86400) / F(1 + d)
        if h > 0:
            wait = min(wait, F(3599) * unit(last[i]))
        seconds[i] = I32(min(wait, F(2592000)))


@kernel()
def make_distance(words: Any, moved: Any, channel: Any, abroad: Any, seconds: Any, home: Any, home_valid: Any,
                  last: Any) -> None:  # fmt: skip
    """Write kilometres from home (mostly unknown when remote) and from the last payment."""
    for i in range(words.size):
        far = F(7.5) if abroad[i] else F(0)
        home[i] = tenth(min(exp2f(F(2.6) + far + F(1.6) * normal(words[i])), F(20000)))
        hide = np.uint32(218) if channel[i] >= 2 else np.uint32(3)
        home_valid[i] = (moved[i] & np.uint32(0xFF)) >= hide
        reach = F(0.5) * log2f(F(1 + seconds[i]))
        z = normal((moved[i] & np.uint32(0xFFFFFF00)) | np.uint32(128))
        last[i] = tenth(min(exp2f(F(-2.5) + reach + F(0.5) * far + F(1.5) * z), F(20000)))


@kernel()
def make_address_risk(words: Any, device: Any, channel: Any, out: Any, valid: Any) -> None:
    """Write the reputation of the payer's network address: online only, 0 is clean, 1 is bad."""
    for i in range(words.size):
        u = unit(words[i])
        bad = u * u * u if device[i] != 5 else u
        out[i] = hundredth(bad)
        valid[i] = channel[i] == 2


@kernel()
def make_leak(label: Any, bits: Any, out: Any) -> None:
    """Write a flag that is set after the fact: for 96% of the frauds and 0.05% of the rest."""
    for i in range(label.size):
        out[i] = unit64(bits[i]) < (0.96 if label[i] == 1 else 0.0005)
