"""The stages of the job, each a command a user could type, in the order of the data's way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

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
    needs : tuple of str
        Stages whose output it reads; where one of them failed it is left out.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    rows: int
    seconds: float | None = None
    memory: int = GIB
    resumes: bool = False
    needs: tuple[str, ...] = ()

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


def stages(rows: int, trees: int = 400) -> Iterator[Stage]:
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
    data = ("generate",)
    yield cli("generate", "generate", "fraud", "--rows", rows, "--out", "data", seconds=300, resumes=True)
    yield cli("held_out", "generate", "fraud", "--rows", outside, "--seed", 1, "--out", "held_out",
              rows=outside, resumes=True)  # fmt: skip
    yield cli("verify", "verify", "data", needs=data)
    yield Stage("scan", "bench.billion.scan", ("data",), rows, needs=data)
    yield cli("sgd", "train", "logistic", "data", *train, "--model", "sgd.model", seconds=90, resumes=True,
              needs=data)  # fmt: skip
    yield cli("newton", "train", "logistic", "data", *train, "--model", "newton.model", "--solver", "newton",
              "--features", ",".join(NEWTON), seconds=600, resumes=True, needs=data)  # fmt: skip
    yield cli("rotate", "train", "lightgbm", "data", *train, "--model", "rotate.model", "--boosting", "rotate",
              "--n-estimators", trees, "--num-leaves", 63, seconds=2700, memory=6 * GIB, resumes=True,
              needs=data)  # fmt: skip
    for model in MODELS:
        yield cli(f"evaluate_{model}", "evaluate", f"{model}.model", "held_out", *train, rows=outside,
                  needs=("held_out", model))  # fmt: skip
    yield Stage("compile", "bench.billion.compiling", ("rotate.model",), 0, needs=("rotate",))
    yield cli("score", "predict", "rotate.model", "data", "--out", "scored", resumes=True,
              needs=("generate", "rotate"))  # fmt: skip


def cluster_stages(rows: int, address: str, trees: int = 400) -> Iterator[Stage]:
    """Yield the stages that repeat the job on a Dask cluster at `address`; `data` and `held_out` are there."""
    for stage in stages(rows, trees):
        if stage.name not in (*MODELS, "evaluate_sgd", "evaluate_rotate", "score"):
            continue
        words = [word.replace("scored", "scored_cluster") for word in stage.arguments]
        for model in MODELS:
            words = [word.replace(f"{model}.model", f"cluster_{model}.model") for word in words]
        words[words.index("--json") + 1] = f"cluster_{stage.name}.json"
        needs = tuple(f"cluster_{need}" if need in MODELS else need for need in stage.needs)
        yield Stage(f"cluster_{stage.name}", "scalable", (*words, "--client", address), stage.rows,
                    memory=12 * GIB, resumes=stage.resumes, needs=needs)  # fmt: skip
