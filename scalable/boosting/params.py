"""LightGBM's parameters: many spellings in, one spelling out, and what cannot be trained refused by name."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightgbm.basic import _ConfigAliases

from scalable.boosting.engine import asked_engine, chosen_engine
from scalable.boosting.native.settings import flag
from scalable.boosting.objectives import PERCENTILES, main_objective
from scalable.boosting.training.bounds import check_bounds, check_together
from scalable.boosting.training.rotation import Rotation
from scalable.errors import UsageError
from scalable.models.parameters import nearest

# This package's own, beside LightGBM's.
OWN = (
    "class_weight", "engine", "importance_type", "identifiers", "pairs", "rotate_rows", "rotate_every",
    "leaves_per_round",
)  # fmt: skip

# Set by this package from the data, the cluster or its own arguments.
_OWNED = {
    "num_machines": "it follows from the workers",
    "machines": "workers find each other",
    "machine_list_filename": "workers find each other",
    "local_listen_port": "workers use ports that are free",
    "time_out": "deadlines are the transport's own",
    "tree_learner": 'training on several workers is always tree_learner="data"',
    "two_round": "data is always streamed",
    "pre_partition": "rows are partitioned by this package",
    "group_column": "name the group column in the source",
    "weight_column": "name the weight column in the source",
    "label_column": "name the target in the source",
    "ignore_column": "name the features in the source",
    "forcedbins_filename": "bins come from a sample of all rows",
    "device_type": "only the CPU is supported",
}
# Modes whose training on several workers would be silently different or wrong, with the reason.
_NOT_DISTRIBUTED = {
    "forcedsplits_filename": "LightGBM's data-parallel learner does not support forced splits",
    "cegb_tradeoff": "cost-effective boosting keeps per-row state that workers do not share",
    "cegb_penalty_split": "cost-effective boosting keeps per-row state that workers do not share",
    "interaction_constraints": "LightGBM 4.7 crashes in its data-parallel learner (measured)",
    "cegb_penalty_feature_lazy": "cost-effective boosting keeps per-row state that workers do not share",
    "cegb_penalty_feature_coupled": "cost-effective boosting keeps per-row state that workers do not share",
    "use_quantized_grad": "LightGBM 4.7 trained other trees on two workers than on one (measured)",
}


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters in canonical spelling.

    Attributes
    ----------
    values : dict
        For LightGBM.
    n_rounds : int
        Boosting iterations.
    sample_rows : int
        Rows of the sample that bins are made from.
    seed : int
        Seed of that sample.
    n_threads : int
        Threads per worker the user asked for; 0 for all that a worker has.
    rotation : Rotation
        Sets of rows that are trained on one after another, for ``boosting="rotate"``.
    identifiers : bool
        Whether integer columns named like identifiers are encoded by category instead of passed as numbers.
    pairs : bool
        Whether pairs of categories that interact are encoded together, beside each alone.
    engine : str
        "lightgbm" or "native": who grows the trees.
    class_weight : dict, "balanced" or None
        Factors of the weights of each class's rows.
    coded : tuple of int or str
        Places or names of columns whose numbers are codes of categories.
    full : bool
        Whether every tree sees all rows, from disk where memory does not hold them: ``boosting="full"``.
    yields : bool
        Whether the native engine, chosen by ``engine="auto"``, leaves data that LightGBM is faster on to it.
    fallback : str
        With ``engine="auto"``, what the native engine does not do; empty where it does all.
    """

    values: dict[str, Any]
    n_rounds: int
    sample_rows: int
    seed: int
    n_threads: int
    rotation: Rotation = Rotation()  # noqa: RUF009  frozen
    identifiers: bool = True
    pairs: bool = True
    engine: str = "native"
    fallback: str = ""
    class_weight: Any = None
    coded: tuple[int | str, ...] = ()
    full: bool = False
    yields: bool = False

    @property
    def objective(self) -> str:
        """LightGBM's objective."""
        return str(self.values["objective"])

    @property
    def n_scores(self) -> int:
        """Raw scores per row, which is trees per iteration."""
        return int(self.values.get("num_class", 1))


@functools.cache
def main_names() -> dict[str, str]:
    """Return every name a parameter can be given under, LightGBM's and this package's, and its main one."""
    all_of = _ConfigAliases._get_all_param_aliases()
    names = {alias: main for main, aliases in all_of.items() for alias in (main, *aliases)}
    return {**names, **{own: own for own in OWN}}


def check_known(given: Mapping[str, Any], others: Sequence[str] = ()) -> None:
    """Raise a UsageError, with the nearest name (or of `others`), on a parameter that nobody knows."""
    for name in given:
        if name not in main_names():
            raise UsageError(f"LightGBM has no parameter {name!r}; {nearest(name, {*main_names(), *others})}")


def canonical(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters under LightGBM's main names.

    Raises
    ------
    UsageError
        When one parameter is given under two names with different values, or nobody knows its name.
    """
    check_known(given)
    main_name = main_names()
    result: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, spelt in given.items():
        if spelt is None:
            continue
        main = main_name.get(name, name)
        # before anything asks which objective it is
        value = main_objective(spelt) if main == "objective" and isinstance(spelt, str) else spelt
        if main in result and result[main] != value:
            raise UsageError(
                f"{spelled[main]}={result[main]!r} and {name}={value!r} are one parameter; give one"
            )
        result[main], spelled[main] = value, name
    if isinstance(kind := result.get("boosting"), str):
        result["boosting"] = {"gbrt": "gbdt", "random_forest": "rf"}.get(kind, kind)
    return result


def resolve(given: Mapping[str, Any], n_classes: int | None) -> Params:
    """Check parameters and add what the target decides.

    Parameters
    ----------
    given : mapping
        As the user spelled them.
    n_classes : int or None
        Classes of the target; None for numbers.

    Raises
    ------
    UsageError
        On parameters that this package sets itself, or an objective that does not fit the target.
    """
    values = canonical(given)
    for name, reason in _OWNED.items():
        if name in values:
            raise UsageError(f"parameter {name} cannot be given: {reason}")
    check_bounds(values)
    n_rounds = int(values.pop("num_iterations", 100))
    if n_rounds < 0:
        raise UsageError(f"n_estimators must not be negative, found {n_rounds}")
    objective = str(values.pop("objective", None) or _default_objective(n_classes))
    if n_classes is not None and n_classes > 2:
        values.setdefault("num_class", n_classes)
        if int(values["num_class"]) != n_classes:
            raise UsageError(f"num_class={values['num_class']} but the target has {n_classes} classes")
    if n_classes == 2 and objective.startswith("multiclass"):
        raise UsageError(
            f"objective={objective!r} is of three classes or more, and the target has two; leave it out"
        )
    values["objective"] = objective
    check_together(values, objective)
    values.setdefault("verbosity", -1)
    values["num_iterations"] = n_rounds
    # Evaluated and decided over all workers by this package.
    values.pop("metric", None)
    values.pop("early_stopping_round", None)
    seed = int(values.get("data_random_seed", values.get("seed", 1)))
    sample_rows = int(values.get("bin_construct_sample_cnt", 200_000))
    n_threads = max(0, int(values.pop("num_threads", 0)))
    class_weight = values.pop("class_weight", None)
    importance = values.pop("importance_type", "split")
    if importance not in ("split", "gain"):
        raise UsageError(f"importance_type must be 'split' or 'gain', not {importance!r}")
    coded = values.pop("categorical_feature", ())
    if isinstance(coded, str):
        coded = [
            int(c) if c.isdigit() else c for c in coded.removeprefix("name:").split(",") if c and c != "auto"
        ]
    encoded = [bool(values.pop(name, True)) for name in ("identifiers", "pairs")]
    asked = asked_engine(values)
    values.pop("engine", None)
    rotation, full = _rotation(values, seed), values.get("boosting") == "full"
    if full:
        values["boosting"] = "gbdt"
    rounds = _leaves_per_round(values)
    engine, fallback = chosen_engine(asked, values)
    for name, wanted in (("boosting='full'", full), (f"leaves_per_round={rounds}", rounds > 1)):
        if wanted and engine != "native":
            raise UsageError(f"{name} needs engine='native'{fallback and ', and ' + fallback}")
    if rounds > 1:
        values["leaves_per_round"] = rounds
    ready = (values, n_rounds, sample_rows, seed, n_threads, rotation)
    yields = asked == "auto" and rounds == 1
    return Params(*ready, encoded[0], encoded[1], engine, fallback, class_weight, tuple(coded), full, yields)


def _leaves_per_round(values: dict[str, Any]) -> int:
    """Take how many leaves are split together out of LightGBM's parameters."""
    given = values.pop("leaves_per_round", 1)
    if not str(given).isdecimal() or int(given) < 1:
        raise UsageError(f"leaves_per_round must be a whole number at least 1, not {given!r}")
    return int(given)


def _rotation(values: dict[str, Any], seed: int) -> Rotation:
    """Take this package's own parameters out of LightGBM's."""
    rows, every = values.pop("rotate_rows", None), values.pop("rotate_every", None)
    if values.get("boosting") != "rotate":
        return Rotation()
    for name, value in (("rotate_rows", rows), ("rotate_every", every)):
        if value is not None and int(value) < 1:
            raise UsageError(f"{name} must be at least 1, found {value}")
    values["boosting"] = "gbdt"
    return Rotation(True, int(rows or 0), int(every or 0), seed)


def check_distributed(params: Params, n_workers: int) -> None:
    """Refuse by name what several workers cannot train.

    Raises
    ------
    UsageError
        Naming the parameter and the reason.
    """
    if flag(params.values.get("linear_tree", False)):
        raise UsageError(
            "linear_tree needs the raw values, which streaming does not keep; use lightgbm itself"
        )
    if n_workers == 1 or params.engine == "native":
        return
    boosting, sampling = params.values.get("boosting"), params.values.get("data_sample_strategy")
    if "goss" in (boosting, sampling):
        raise UsageError(
            "goss cannot be trained on several workers: its thresholds would be each worker's own"
        )
    if params.objective in PERCENTILES:
        raise UsageError(
            f"objective {params.objective!r} cannot be trained on several workers: its leaves would be averages of the "
            "workers' own percentiles; use objective='huber' or 'fair', or n_workers=1"
        )
    method = params.values.get("monotone_constraints_method", "basic")
    if method != "basic":
        raise UsageError(
            f"monotone_constraints_method={method!r} cannot be trained on several workers: LightGBM then trains other "
            "trees than on one; use 'basic', or n_workers=1"
        )
    for name, reason in _NOT_DISTRIBUTED.items():
        if params.values.get(name) not in (None, False, "", 0, 0.0, []):
            raise UsageError(f"{name} cannot be trained on several workers: {reason}; use n_workers=1")


def _default_objective(n_classes: int | None) -> str:
    if n_classes is None:
        return "regression"
    return "binary" if n_classes == 2 else "multiclass"
