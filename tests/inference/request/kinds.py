"""A table of all kinds of columns, and models that learned from it."""

import decimal

import numpy as np
import pyarrow as pa

from scalable.data.table import TableSource
from scalable.inference import load_model

N = 3000
KINDS = {
    "i8": pa.int8(),
    "u16": pa.uint16(),
    "i64": pa.int64(),
    "u64": pa.uint64(),
    "f16": pa.float16(),
    "f32": pa.float32(),
    "f64": pa.float64(),
    "tail": pa.float64(),
    "flag": pa.bool_(),
    "price": pa.decimal128(9, 2),
    "s": pa.timestamp("s"),
    "ms": pa.timestamp("ms"),
    "us": pa.timestamp("us", "UTC"),
    "ns": pa.timestamp("ns"),
    "day": pa.date32(),
    "day64": pa.date64(),
    "clock": pa.time64("us"),
    "span": pa.duration("ms"),
    "few": pa.string(),
    "other": pa.string(),
    "many": pa.string(),
    "card_id": pa.int64(),
}


def drawn(name, kind, n, rng):
    """Values as Arrow holds them; a tenth is missing."""
    if name in ("few", "other"):
        values = [f"{name} ä{k}" for k in rng.integers(0, 12, n)]
    elif name == "many":
        values = [f"text {k}" for k in rng.integers(0, 2500, n)]
    elif name == "card_id":
        values = rng.integers(-(2**40), 2**40, n)
    elif name == "tail":
        values = np.exp(rng.normal(size=n) * 3)
    elif pa.types.is_boolean(kind):
        values = rng.integers(0, 2, n).astype(bool)
    elif pa.types.is_decimal(kind):
        values = [decimal.Decimal(int(k)) / 100 for k in rng.integers(-(10**6), 10**6, n)]
    elif pa.types.is_floating(kind):
        values = rng.normal(size=n).astype(kind.to_pandas_dtype())
    elif pa.types.is_date(kind) or pa.types.is_time(kind):
        whole = pa.array(rng.integers(0, 20000, n), pa.int32() if kind.bit_width == 32 else pa.int64())
        scale = 86_400_000 if pa.types.is_date64(kind) else 1
        values = pa.array([v.as_py() * scale for v in whole], whole.type).cast(kind).to_pylist()
    elif pa.types.is_temporal(kind):
        seconds = 10 ** {"s": 0, "ms": 3, "us": 6, "ns": 9}[kind.unit]
        values = pa.array(rng.integers(0, 1_700_000_000 * seconds, n), pa.int64()).cast(kind)
    else:
        values = rng.integers(0, 100, n)
    holes = rng.random(n) < 0.1
    array = values if isinstance(values, pa.Array) else pa.array(list(values), kind)
    return pa.array([None if hole else value for hole, value in zip(holes, array, strict=True)], kind)


def table_of_all_kinds():
    rng = np.random.default_rng(0)
    columns = {name: drawn(name, kind, N, rng) for name, kind in KINDS.items()}
    score = pa.compute.fill_null(columns["f64"], 0).to_numpy() + rng.normal(size=N)
    return pa.table(
        {**columns, "y": score, "c": (score > 0).astype(int), "k": np.digitize(score, [-1, 1])}
    ).append_column("ten", pa.array(np.digitize(score, np.arange(-2, 2.4, 0.5))))


def learn(learner, table, target, path, features=None):
    features = features or list(KINDS)
    source = TableSource(table, target, features)
    learner.fit(source)
    learner.save(path)
    return load_model(path)
