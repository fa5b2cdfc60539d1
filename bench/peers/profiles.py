"""How much of each job a profile asks for, and the data it is asked on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data import directory, prepared
from bench.peers import own_data
from bench.peers.measure import TINY_ROWS
from bench.peers.own_data import OwnData
from bench.peers.task import Task
from scalable import progress
from scalable.errors import UsageError

DATASET, TARGET, SEED = "physics", "signal", 0
TINY_GROUP = 2**10
REFERENCE_ROWS = 500_000  # of the data that the model of inference is trained on, at most


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes and repeats.

    Parameters
    ----------
    rows : int
        Rows of the dataset of linear and boosting, one fifth held out.
    row_group : int
        Rows of its row groups: small enough to make at least 16, which readers then take whole.
    generated : int
        Rows to generate.
    trees : int
        Of boosting.
    served : int
        Trees of the model of inference.
    single_rows, batch_sizes, batches
        How much inference is measured.
    repeats : int
        Rounds over all contenders.
    timeout : float
        Seconds for one contender in one round.
    """

    rows: int
    row_group: int
    generated: int
    trees: int
    served: int
    single_rows: int
    batch_sizes: tuple[int, ...]
    batches: int
    repeats: int
    timeout: float


PROFILES = {
    "quick": Profile(500_000, 2**14, 500_000, 20, 100, 2_000, (1_000, 10_000), 5, 2, 300),
    "standard": Profile(5_000_000, 2**17, 6_000_000, 100, 500, 10_000, (1_000, 100_000), 5, 5, 1800),
    "full": Profile(50_000_000, 2**18, 60_000_000, 300, 500, 100_000, (1_000, 100_000), 9, 5, 4 * 3600),
}


def profile_of(name: str) -> Profile:
    """Return a profile; raises `UsageError` when there is none of that name."""
    if name not in PROFILES:
        raise UsageError(f"unknown profile {name!r}; choose from {', '.join(PROFILES)}")
    return PROFILES[name]


def dataset(profile: Profile) -> Path:
    """Return the dataset, written when it is not there yet."""
    return prepared(DATASET, profile.rows, SEED, row_group_rows=profile.row_group)


def describe(data: Path) -> dict[str, Any]:
    """Return the ``dataset`` section: what it is, how it was split, and the checksum of its files' checksums."""
    import data_gen
    from scalable.data.parquet import ParquetSource

    manifest = data_gen.read_manifest(data)
    train, held_out = ParquetSource(data, target=TARGET).split()
    sums = "".join(entry.sha256 for entry in manifest.files)
    return {
        "name": DATASET,
        "id": data.name,
        "rows": manifest.rows,
        "files": len(manifest.files),
        "bytes": manifest.bytes,
        "train_rows": train.n_rows,
        "held_out_rows": held_out.n_rows,
        "checksum": hashlib.sha256(sums.encode()).hexdigest(),
        "truth": manifest.truth,
    }


def task_of(job: str, profile: Profile, threads: int, cache: str, own: OwnData | None = None) -> Task:
    """Return the task of a job, its data and model made when they are not there yet; `own` is the user's data."""
    if job == "generation":
        return Task(job, profile.generated, threads=threads, scratch=str(directory()))
    if own is None:
        data = dataset(profile)
        tiny = prepared(DATASET, TINY_ROWS, SEED, row_group_rows=TINY_GROUP)
        places = {"data": str(data), "tiny": str(tiny), "target": TARGET, "scratch": str(directory())}
        models, rows = directory() / "models", profile.rows
    else:
        data = own.linear if job == "linear" else own.trees
        places = {
            "data": str(data), "tiny": f"{data}-tiny", "raw": str(own.raw), "target": own_data.LABEL,
            "scratch": str(data.parent),
        }  # fmt: skip
        models, rows = data.parent, int(own.about["rows"])
    categorical = () if own is None or job == "linear" else own.categorical
    common: dict[str, Any] = {**places, "categorical": categorical, "cache": cache, "threads": threads}
    if job == "inference":
        learn = Task("boosting", rows, trees=profile.served, **common)
        model = served_model(learn, models / f"{data.name}-{profile.served}x63.txt", anew=own is not None)
        return Task(
            job, rows, model=str(model), single_rows=profile.single_rows, batch_sizes=profile.batch_sizes,
            batches=profile.batches, **common | {"threads": 1},
        )  # fmt: skip
    return Task(job, rows, trees=profile.trees, **common)


def served_model(task: Task, path: Path, anew: bool = False) -> Path:
    """Return the LightGBM text that engines serve, trained by plain LightGBM on the training rows of `task`.

    Parameters
    ----------
    task : Task
        Of boosting, with the trees of the model.
    path : Path
        Where the text is, or will be.
    anew : bool
        Whether to train although it is there: rows of the user may have changed.
    """
    if path.is_file() and not anew:
        return path
    import lightgbm as lgb
    import pyarrow as pa

    from bench.peers.boosting import lightgbm_params
    from bench.peers.task import read
    from scalable.report.results import write_text

    parts, rows = [], 0
    for part in task.parts():
        parts.append(read(part))
        rows += len(parts[-1])
        if rows >= REFERENCE_ROWS:
            break
    table = pa.concat_tables(parts)
    with progress.task(f"train the model to serve, {task.trees} trees", task.trees, "trees") as shown:
        booster = lgb.train(
            {**lightgbm_params(task), "num_threads": task.threads},
            lgb.Dataset(
                table.select(task.features),
                table.column(task.target),
                categorical_feature=list(task.categorical),
            ),
            task.trees,
            callbacks=[lambda _: shown.advance(1)],
        )
    write_text(path, booster.model_to_string())
    return path
