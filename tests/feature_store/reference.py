"""The features of a row by brute force: every event looked at for every row, as the page says it, in plain Python."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd

SPANS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}


def span(text):
    return int(text[:-1]) * SPANS[text[-1]]


def is_missing(value):
    return value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def known_events(events, entity, t, closed):
    """Events (dicts with entity, event, created and values) known at t, the latest last."""
    upto = t - 1 if closed == "left" else t
    mine = [(e["event"], e["created"], i, e) for i, e in enumerate(events) if e["entity"] == entity]
    mine = [each for each in mine if each[0] <= upto and each[1] <= upto]
    return [e for *_, e in sorted(mine, key=lambda each: each[:3])], upto


def row_features(view, events, entity, t, closed="right"):
    """Features of one row by name; exact rational arithmetic where there are sums."""
    known, upto = known_events(events, entity, t, closed)
    found = {}
    last = known[-1] if known else None
    if last is not None and view.ttl is not None and t - last["event"] >= view.ttl:
        last = None
    for feature in view.features:
        if feature.function == "latest":
            found[feature.name] = None if last is None else last[feature.column]
            continue
        if feature.function == "time_since_last":
            found[feature.name] = None if last is None else (t - last["event"]) / 1e9
            continue
        inside = [e for e in known if e["event"] > upto - feature.window]
        if feature.column is None:
            found[feature.name] = len(inside)
            continue
        values = [e[feature.column] for e in inside if not is_missing(e[feature.column])]
        found[feature.name] = aggregate(view, feature, values)
    return found


def aggregate(view, feature, values):
    if feature.function == "count":
        return len(values)
    if feature.function == "distinct":
        return len(set(values))
    if feature.function in ("min", "max"):
        return {"min": min, "max": max}[feature.function](values) if values else None
    floating = any(isinstance(value, float) for value in values)
    digits = view.decimals(feature.column) if floating else 0
    total = sum(int(Decimal(np.rint(value * 10.0**digits))) if floating else int(value) for value in values)
    summed = float(Fraction(total)) / 10.0**digits
    if feature.function == "sum":
        return summed if floating else total
    return summed / len(values) if values else None


def same(found, expected):
    """Whether a value of the output is the reference's, bit for bit; 0.0 of no floats is 0."""
    if is_missing(found) or is_missing(expected):
        return is_missing(found) and is_missing(expected)
    return found == expected
