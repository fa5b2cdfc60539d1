"""The stages of the job, each a command a user could type, in the order of the data's way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TARGET = "is_fraud"
# Newton solves a dense system: ids and the two columns of 40 countries are left out, cross_border stays
NEWTON = (
    "time", "category", "cross_border", "channel", "device", "amount_cents", "amount_ratio", "customer_age",
    "account_age_days", "credit_score", "distance_home_km", "distance_last_km", "seconds_since_last",
    "tx_count_1h", "tx_count_24h", "declines_24h", "merchants_7d", "address_risk",
)  # fmt: skip
HELD_OUT_ROWS = 20_000_000
MODELS = ("sgd", "newton", "rotate")
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Parameters
    ----------
    name : str
    module : str
        Run as ``python -m module``.
    arguments : tuple of str
        Relative to the directory of the job.
    rows : int
        Rows it works on.
    seconds : float or None
        Most it should take at a billion rows.
    memory : int
        Most bytes it should need, all processes together.
    resumes : bool
        Whether ``--resume`` makes it continue what a kill left.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    rows: int
    seconds: float | None = None
    memory: int = GIB
    resumes: bool = False

    def command(self, resume: bool) -> list[str]:
        """Return the command, continuing an interrupted one where that is possible."""
        return [
            sys.executable,
            "-m",
            self.module,
            *self.arguments,
            *(["--resume"] if resume and self.resumes else []),
        ]

    @property
    def shown(self) -> str:
        """The command as a user types it."""
        program = "scalable" if self.module == "scalable" else f"python -m {self.module}"
        return " ".join([program, *self.arguments])


def held_out_rows(rows: int) -> int:
    """Return how many rows of another seed of the same world measure the quality."""
    return min(rows // 10, HELD_OUT_ROWS)


def stages(rows: int, trees: int = 300) -> Iterator[Stage]:
    """Yield the stages of the job on one machine.

    Parameters
    ----------
    rows : int
        Rows to train on.
    trees : int
        Trees of the forest.
    """
    outside = held_out_rows(rows)

    def cli(name: str, *arguments: object, rows: int = rows, **more: object) -> Stage:
        words = tuple(str(word) for word in arguments)
        return Stage(name, "scalable", (*words, "--json", f"{name}.json", "--quiet"), rows, **more)  # type: ignore[arg-type]

    train = ("--target", TARGET)
    yield cli("generate", "generate", "fraud", "--rows", rows, "--out", "data", seconds=300, resumes=True)
    yield cli("held_out", "generate", "fraud", "--rows", outside, "--seed", 1, "--out", "held_out",
              rows=outside, resumes=True)  # fmt: skip
    yield cli("verify", "verify", "data")
    yield Stage("scan", "bench.billion.scan", ("data",), rows)
    yield cli("sgd", "train", "logistic", "data", *train, "--model", "sgd.model", seconds=90, resumes=True)
    yield cli("newton", "train", "logistic", "data", *train, "--model", "newton.model", "--solver", "newton",
              "--features", ",".join(NEWTON), seconds=600, resumes=True)  # fmt: skip
    yield cli("rotate", "train", "lightgbm", "data", *train, "--model", "rotate.model", "--boosting", "rotate",
              "--n-estimators", trees, "--num-leaves", 63, seconds=2700, memory=6 * GIB, resumes=True)  # fmt: skip
    for model in MODELS:
        yield cli(f"evaluate_{model}", "evaluate", f"{model}.model", "held_out", *train, rows=outside)
    yield Stage("compile", "bench.billion.compiling", ("rotate.model",), 0)
    yield cli("score", "predict", "rotate.model", "data", "--out", "scored", resumes=True)


def cluster_stages(rows: int, address: str, trees: int = 30) -> Iterator[Stage]:
    """Yield the stages that repeat the job on a Dask cluster at `address`; `data` and `held_out` are there."""
    for stage in stages(rows, trees):
        if stage.name in ("sgd", "newton", "evaluate_sgd", "score"):
            words = [
                w.replace(".model", "_cluster.model").replace("scored", "scored_cluster")
                for w in stage.arguments
            ]
            words[words.index("--json") + 1] = f"cluster_{stage.name}.json"
        elif stage.name == "rotate":  # data-parallel training instead: the rows fit in the workers' memory
            words = ["train", "lightgbm", "data", "--target", TARGET, "--model", "rotate_cluster.model",
                     "--n-estimators", str(trees), "--num-leaves", "63", "--json", "cluster_lightgbm.json",
                     "--quiet"]  # fmt: skip
        else:
            continue
        name = "lightgbm" if stage.name == "rotate" else stage.name
        yield Stage(f"cluster_{name}", "scalable", (*words, "--client", address), rows, memory=12 * GIB)


def leftovers(stage: Stage, folder: Path) -> list[Path]:
    """Return what a killed stage that cannot be continued may have left behind."""
    return [] if stage.resumes else [folder / f"{stage.name}.json"]
