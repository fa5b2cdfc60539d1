"""Who takes part: a line each. To add a peer, write its file and its line here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from scalable.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender's name, where its class is, and whether it is this project's."""

    name: str
    path: str
    ours: bool = False

    def load(self) -> Any:
        """Return the class; imports none of the contender's own packages."""
        module, name = self.path.split(":")
        return getattr(import_module(f"bench.peers.{module}"), name)


CONTENDERS: dict[str, tuple[Entry, ...]] = {
    "linear": (
        Entry("scalable sgd", "linear.ours:Descent", ours=True),
        Entry("scalable newton", "linear.ours:Newton", ours=True),
        Entry("bare scan", "linear.ours:Scan"),
        Entry("vw text", "linear.vowpal_wabbit:Text"),
        Entry("vw cache", "linear.vowpal_wabbit:Cache"),
        Entry("sklearn partial_fit", "linear.scikit_learn:PartialFit"),
        Entry("sklearn lbfgs", "linear.scikit_learn:Lbfgs"),
        Entry("dask-ml Incremental", "linear.dask_ml:Incremental"),
        Entry("snapml", "linear.snap_ml:SnapML"),
        Entry("liblinear", "linear.liblinear:Liblinear"),
    ),
    "boosting": (
        Entry("scalable on Dask", "boosting.ours:Ours", ours=True),
        Entry("scalable native", "boosting.ours:Native", ours=True),
        Entry("lightgbm", "boosting.lightgbm_plain:Plain"),
        Entry("lightgbm.dask", "boosting.lightgbm_dask:OnDask"),
        Entry("xgboost", "boosting.xgboost:InMemory"),
        Entry("xgboost external memory", "boosting.xgboost:ExternalMemory"),
        Entry("xgboost.dask", "boosting.xgboost:OnDask"),
        Entry("catboost", "boosting.catboost:CatBoost"),
        Entry("ydf", "boosting.ydf:Ydf"),
    ),
    "generation": (
        Entry("scalable physics", "generation.ours:Physics", ours=True),
        Entry("scalable fraud", "generation.ours:Fraud", ours=True),
        Entry("tpchgen-cli lineitem", "generation.tpchgen:Tpchgen"),
        Entry("make_classification", "generation.scikit_learn:MakeClassification"),
        Entry("dask timeseries", "generation.dask_timeseries:Timeseries"),
    ),
}
JOBS = ("linear", "boosting", "inference", "generation")


def contenders(job: str) -> tuple[Entry, ...]:
    """Return who takes part in a job, in the order of the first repeat.

    Raises
    ------
    UsageError
        No job has that name.
    """
    if job == "inference":
        from scalable.latency.engines import PEERS

        return tuple(Entry(name, "inference", name == "scalable") for name in PEERS)
    if job not in CONTENDERS:
        raise UsageError(f"unknown job {job!r}; choose from {', '.join(JOBS)}")
    return CONTENDERS[job]


def find(job: str, name: str) -> Entry:
    """Return one contender; raises `UsageError` when there is none of that name."""
    for entry in contenders(job):
        if entry.name == name:
            return entry
    raise UsageError(
        f"no contender {name!r} at {job}; there are {', '.join(e.name for e in contenders(job))}"
    )
