"""Shapes of the sections of a results document. Every key not marked required may be left out.

Rows may carry further keys: pages show what they know and leave the rest alone. Sections of other
names are shown as plain tables, so a new kind of result needs no change here to be readable.
Times are in seconds unless the name ends in ``_us``, memory in bytes, ``None`` is "not known".
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Dataset(TypedDict):
    """``dataset``: what was learned from; ``truth`` holds Bayes-optimal scores by metric name.

    A score is a number, or a dict of what is ``expected`` and what the rows ``realised``.
    """

    name: str
    rows: int
    files: NotRequired[int]
    bytes: NotRequired[int]
    truth: NotRequired[dict[str, Any] | None]
    train_rows: NotRequired[int]
    held_out_rows: NotRequired[int]
    checksum: NotRequired[str]


class Stage(TypedDict):
    """One of ``stages``: a step of the run; ``peak_memory_bytes`` covers the process and its children."""

    name: str
    seconds: float
    rows: NotRequired[int | None]
    rows_per_second: NotRequired[float | None]
    peak_memory_bytes: NotRequired[int | None]
    note: NotRequired[str]


class Quality(TypedDict):
    """One of ``quality``: a model's metrics on held-out rows, named as in `scalable.evaluate` reports.

    The row whose model is "Bayes-optimal" (`BAYES`) is the reference the others are held against; that of the "base
    rate" (`BASE_RATE`) is what a model must beat to be worth anything.
    """

    model: str
    auc: NotRequired[float | None]
    auc_error: NotRequired[float | None]
    average_precision: NotRequired[float | None]
    log_loss: NotRequired[float | None]
    brier: NotRequired[float | None]
    calibration_error: NotRequired[float | None]
    rmse: NotRequired[float | None]
    r2: NotRequired[float | None]
    accuracy: NotRequired[float | None]
    rows: NotRequired[int]
    prevalence: NotRequired[float]
    roc: NotRequired[list[list[float]]]
    pr: NotRequired[list[list[float]]]
    reliability: NotRequired[list[dict[str, float]]]


class Latency(TypedDict):
    """One of ``latency[str(batch)]``: an engine's time per call on `batch` rows.

    ``quantiles_us`` lists [quantile, microseconds per call], rising, some 200 points with a fine tail.
    ``baseline`` marks the engine that speed-ups are relative to.
    """

    engine: str
    batch: int
    p50_us: float
    p90_us: NotRequired[float]
    p99_us: NotRequired[float]
    rows_per_second: NotRequired[float]
    quantiles_us: NotRequired[list[list[float]]]
    calls: NotRequired[int]
    threads: NotRequired[int]
    bit_equal: NotRequired[bool | None]
    max_abs_difference: NotRequired[float | None]
    baseline: NotRequired[bool]


class Load(TypedDict):
    """One of ``load``: what a server did at one rate of requests, which did not wait for it."""

    rate: float
    requests: int
    failed: int
    p50_us: float
    p99_us: float
    answered_per_second: NotRequired[float]
    sent_again: NotRequired[int]
    reasons: NotRequired[dict[str, str]]


class Peer(TypedDict):
    """One of ``peers``: one contender at one job of a side-by-side run.

    ``status`` is "ok", "failed", "absent" or "not run"; all but the first say why in ``message``. ``seconds`` is the
    median of ``samples``, ``wall_seconds`` what all runs took with warm-up and judgement.
    """

    job: str
    peer: str
    status: str
    message: NotRequired[str]
    version: NotRequired[str]
    ours: NotRequired[bool]
    rows: NotRequired[int]
    threads: NotRequired[int]
    seconds: NotRequired[float]
    samples: NotRequired[list[float]]
    least_seconds: NotRequired[float]
    most_seconds: NotRequired[float]
    wall_seconds: NotRequired[float]
    peak_memory_bytes: NotRequired[int | None]
    cache: NotRequired[str]
    quality: NotRequired[dict[str, float]]
    checksum: NotRequired[str]
    command: NotRequired[str]


class Explanation(TypedDict):
    """``explanation``: what columns add to scores; ``outputs`` holds an entry a class, or one.

    Each has ``output``, ``expected`` and ``columns``, the strongest first: ``column``, ``mean_abs`` and, of the first,
    ``values`` and ``contributions`` of the sampled rows.
    """

    rows: int
    sampled: int
    outputs: list[dict[str, Any]]


class Tradeoff(TypedDict):
    """One of ``tradeoffs``: a form of a model, its quality, and its time for one row."""

    name: str
    log_loss: float
    p50_us: float
    auc: NotRequired[float]
    p99_us: NotRequired[float]
    chosen: NotRequired[bool]


class Trials(TypedDict):
    """``search``: trials of a search of parameters, by successive halving; see `scalable.tuning.search.Search`."""

    learner: str
    metric: str
    higher_is_better: bool
    unit: str
    rungs: list[dict[str, int]]
    trials: list[dict[str, Any]]
    best: dict[str, Any]


class Scaling(TypedDict):
    """One of ``scaling``: one job at one size and number of workers."""

    job: str
    rows: int
    seconds: float
    workers: NotRequired[int]
    peak_memory_bytes: NotRequired[int | None]


class Step(TypedDict):
    """One step of a waterfall: the measured `value` once this change is in, too."""

    name: str
    value: float
    note: NotRequired[str]


class Waterfall(TypedDict):
    """One of ``waterfall``: what each optimisation brought, in the order applied."""

    title: str
    unit: str
    steps: list[Step]
    larger_is_better: NotRequired[bool]


class History(TypedDict):
    """One of ``history``: a tracked benchmark over commits; points hold date (ms), commit, value, low, high."""

    benchmark: str
    unit: str
    params: NotRequired[str]
    points: list[dict[str, Any]]


BAYES = "Bayes-optimal"
BASE_RATE = "base rate"
REFERENCES = (BAYES, BASE_RATE)  # what models are held against
OURS = "scalable"  # the engine whose figures head the page
KNOWN = (
    "dataset",
    "stages",
    "search",
    "quality",
    "explanation",
    "latency",
    "load",
    "tradeoffs",
    "peers",
    "scaling",
    "waterfall",
    "history",
    "monitor",
    "notes",
)
