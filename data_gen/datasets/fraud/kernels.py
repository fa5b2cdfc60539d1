"""Vector loops of `fraud`: from random words and an id's hash to the written columns.

Each kernel makes the columns that share hidden quantities of the row. Values are rounded here, so
that everything computed from them later sees what the file holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from data_gen.values.elementary import exp2f, log2f
from data_gen.values.laws import exponential, normal, unit, unit64
from data_gen.values.random import GAMMA, mix
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
    return F(np.float64(np.rint(x * F(10))) * 0.1)


@kernel(inline=True)
def hundredth(x: Any) -> Any:
    """Return a float32 rounded to two decimals, as the nearest float32 to that decimal."""
    return F(np.float64(np.rint(x * F(100))) * 1e-2)


@kernel()
def make_time(words: Any, first_slot: Any, first_day: Any, epoch: Any, slots: Any, clock: Any, out: Any,
              day_out: Any) -> None:  # fmt: skip
    """Write payment times, increasing with the row.

    Parameters
    ----------
    words : (n,) uint32
        Places a payment inside its slot.
    first_slot, slots : int
        Slot of the first row in its day, and slots (rows) in a day.
    first_day, epoch : int
        Day of the first row, and ms since 1970 of day 0.
    clock : (4097,) float64
    out : (n,) int64
        Milliseconds since 1970 UTC.
    day_out : (n,) int32
        Days since the epoch.
    """
    day, slot = first_day, first_slot
    for i in range(out.size):
        share = 4096.0 * ((slot + np.float64(unit(words[i]))) / slots)
        knot = min(int(share), 4095)
        out[i] = epoch + day * DAY_MS + int(clock[knot] + (share - knot) * (clock[knot + 1] - clock[knot]))
        day_out[i] = day
        slot += 1
        if slot == slots:
            slot, day = 0, day + 1


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
        channel[i] = channels[category[i], I32(words[i] & np.uint32(0xFF))]
    for i in range(words.size):
        device[i] = devices[I32((words[i] >> np.uint32(8)) & np.uint32(0xFF))]
        device_valid[i] = channel[i] == 2
    for i in range(words.size):
        away = np.uint32(85) if channel[i] == 2 else np.uint32(10)
        moves = ((words[i] >> np.uint32(16)) & np.uint32(0xFF)) < away
        there = home[byte(merchant_hash[i], 8)]
        country[i] = there if moves else home_out[i]
    for i in range(words.size):
        abroad[i] = country[i] != home_out[i]


@kernel(fastmath=True)
def make_amount(words: Any, noise: Any, category: Any, medians: Any, card_hash: Any, quantiles: Any,
                channel: Any, level: Any, amount: Any, ratio: Any) -> None:  # fmt: skip
    """Write the amount in cents (log-normal) and its ratio to the card's 30-day mean.

    The logarithm's mean is the category's median plus the card's spending `level` (scratch); the
    recent mean is the card's level, known up to a log-normal factor. Loops are kept apart because
    LLVM vectorises only those that touch few arrays.
    """
    for i in range(words.size):
        level[i] = F(0.7) * quantiles[byte(card_hash[i], 24)]
    for i in range(words.size):
        ratio[i] = medians[category[i]] + level[i] + (F(0.35) if channel[i] >= 2 else F(0))
    for i in range(words.size):
        cents = exp2f(ratio[i] + F(1.25) * normal(words[i]))
        amount[i] = I32(min(max(np.rint(cents), F(1)), F(1e9)))
    for i in range(words.size):
        usual = exp2f(F(12.2) + level[i] + F(0.4) * normal(noise[i]))
        ratio[i] = hundredth(min(F(amount[i]) / usual, F(1000)))


@kernel(fastmath=True)
def make_velocity(rush: Any, first: Any, second: Any, third: Any, last: Any, busy: Any, hour: Any, day: Any,
                  declines: Any, merchants: Any, seconds: Any) -> None:  # fmt: skip
    """Write counts of the last hour, day and week and the seconds since the last payment.

    All are drawn given the row's hidden rush (exponential): geometric-like counts whose mean grows
    with it, distinct merchants given the day's count, a waiting time given both counts. `busy` is
    scratch.
    """
    for i in range(rush.size):
        busy[i] = exponential(rush[i])
    for i in range(rush.size):
        hour[i] = min(I32(F(0.45) * (F(0.25) + busy[i]) * exponential(first[i])), I32(60))
    for i in range(rush.size):
        day[i] = min(hour[i] + I32(F(1.2) * (F(0.4) + busy[i]) * exponential(second[i])), I32(200))
    for i in range(rush.size):
        declines[i] = min(I32(F(0.16) * (F(0.3) + busy[i]) * exponential(third[i])), I32(20))
    for i in range(rush.size):
        merchants[i] = min(I32(1) + I32(F(I32(day[i]) + 3) * unit(third[i])), I32(100))
    for i in range(rush.size):
        wait = exponential(last[i]) * F(86400) / F(1 + I32(day[i]))
        recent = min(wait, F(3599) * unit(last[i]))
        seconds[i] = I32(min(recent if hour[i] > 0 else wait, F(2592000)))


@kernel(fastmath=True)
def make_distance(words: Any, moved: Any, channel: Any, abroad: Any, seconds: Any, home: Any, home_valid: Any,
                  last: Any) -> None:  # fmt: skip
    """Write kilometres from home (mostly unknown when remote) and from the last payment."""
    for i in range(words.size):
        far = F(7.5) if abroad[i] else F(0)
        home[i] = tenth(min(exp2f(F(2.6) + far + F(1.6) * normal(words[i])), F(20000)))
    for i in range(words.size):
        hide = np.uint32(218) if channel[i] >= 2 else np.uint32(3)
        home_valid[i] = (moved[i] & np.uint32(0xFF)) >= hide
    for i in range(words.size):
        z = normal((moved[i] & np.uint32(0xFFFFFF00)) | np.uint32(128))
        far = F(3.75) if abroad[i] else F(0)
        reach = F(0.5) * log2f(F(1 + seconds[i]))
        last[i] = tenth(min(exp2f(F(-2.5) + reach + far + F(1.5) * z), F(20000)))


@kernel()
def make_address_risk(words: Any, device: Any, channel: Any, out: Any, valid: Any) -> None:
    """Write the reputation of the payer's network address: online only, 0 is clean, 1 is bad."""
    for i in range(words.size):
        u = unit(words[i])
        out[i] = hundredth(u * u * u if device[i] != 5 else u)
    for i in range(words.size):
        valid[i] = channel[i] == 2


@kernel()
def make_leak(label: Any, bits: Any, out: Any) -> None:
    """Write a flag that is set after the fact: for 96% of the frauds and 0.05% of the rest."""
    for i in range(label.size):
        out[i] = unit64(bits[i]) < (0.96 if label[i] == 1 else 0.0005)


@kernel()
def choose_sources(bits: Any, fraction: Any, group: Any, out: Any) -> None:
    """Write which row each row repeats: itself, or for `fraction` of them an earlier one as written.

    The first row of every `group` rows is never a repetition, and none reaches into another group.
    """
    for i in range(bits.size):
        place = i % group
        back = 1 + np.int64(bits[i] & np.uint64(0xFFFF)) % max(place, 1)
        out[i] = out[i - back] if place > 0 and unit64(bits[i]) < fraction else i
