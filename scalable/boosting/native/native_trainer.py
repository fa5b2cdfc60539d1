"""Trees grown here as an engine of the boosting loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from scalable.boosting.comm.mesh import Mesh
from scalable.boosting.dataset.datasets import MOST_WORK_INTERPRETED, scorer_of
from scalable.boosting.dataset.fill import Scorer
from scalable.boosting.native.binned_fill import filled
from scalable.boosting.native.bins import Bins
from scalable.boosting.native.boost import Boosting, Custom, add_tree
from scalable.boosting.native.crew import Crew
from scalable.boosting.native.disk.kept import pieces_of
from scalable.boosting.native.disk.pieces import Pieces
from scalable.boosting.native.disk.stream import StreamedBoosting
from scalable.boosting.native.growth.tree import Tree
from scalable.boosting.native.peers import Peers
from scalable.boosting.native.query_gradients import RANKINGS
from scalable.boosting.native.rows import Rows
from scalable.boosting.native.settings import Settings
from scalable.boosting.native.text import model_text
from scalable.boosting.training.row_pieces import by_pieces
from scalable.boosting.user_functions import by_arity, derivatives
from scalable.boosting.workers.job import WorkerJob
from scalable.data.source import Source
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.formats.lightgbm_trees import link_of
from scalable.kernels.forest.links import link_rows

Array = NDArray[Any]


class Model(lgb.Booster):
    """What callbacks see: a booster without trees, whose learning rate they may set."""

    def __init__(self, text: str, rate: float) -> None:
        super().__init__(model_str=text)
        self.rate, self.done = rate, 0

    def reset_parameter(self, params: Mapping[str, Any]) -> Model:
        """Take a new learning rate.

        Raises
        ------
        ValueError
            On any other parameter.
        """
        others = set(params) - {"learning_rate"}
        if others:
            raise ValueError(
                f"engine='native' can change learning_rate between iterations, not {sorted(others)}"
            )
        self.rate = float(params["learning_rate"])
        return self

    def current_iteration(self) -> int:
        """Return the iterations done."""
        return self.done


def read_bins(job: WorkerJob) -> Bins:
    """Return the bins of a job, as its parameters have them."""
    return Bins.read(job.reference, job.dataset_params, job.params, job.encoder.feature_names)


def fill_parts(
    job: WorkerJob, bins: Bins, scorer: Scorer | None, tell: Callable[[int], None]
) -> tuple[Rows, list[Rows]]:
    """Bin a job's training rows, and those of each validation set."""
    rows = _filled(job, job.source, job.encoder, bins, scorer, tell, training=True)
    return rows, valid_rows(job, bins, scorer, tell)


def valid_rows(job: WorkerJob, bins: Bins, scorer: Scorer | None, tell: Callable[[int], None]) -> list[Rows]:
    """Bin the rows of each validation set."""
    return [
        _filled(job, held, job.encoder.with_weight(held.weight), bins, scorer, tell, training=False)
        for held in job.valid
    ]


def _filled(
    job: WorkerJob,
    source: Source,
    encoder: TreeEncoder,
    bins: Bins,
    scorer: Scorer | None,
    tell: Callable[[int], None],
    *,
    training: bool,
) -> Rows:
    n = {"n_threads": job.n_threads, "n_scores": job.n_scores}
    return filled(source, encoder, bins, **n, scorer=scorer, training=training, tell=tell)


class NativeTrainer:
    """Trees grown here on this worker's rows; see `scalable.boosting.training.trainer.Trainer`."""

    def __init__(
        self,
        job: WorkerJob,
        mesh: Mesh | None,
        tell: Callable[[int], None],
        rows: tuple[Rows, list[Rows]] | None = None,
    ) -> None:
        self._job, self.notes = job, dict[str, Any]()
        self._bins = read_bins(job)
        self._settings = Settings.of(job.params)
        self.model = Model(self._bins.empty_text, self._settings.learning_rate)
        work = job.source.n_rows * job.base.iteration * job.n_scores
        scorer = scorer_of(job.base.text, fast=job.rotation.on or work > MOST_WORK_INTERPRETED)

        self._pieces: Pieces | None = None
        if job.disk:
            self._pieces, word = pieces_of(job, self._bins, scorer, tell)
            self.notes["cache"] = {"rows": word}
            self._valid = valid_rows(job, self._bins, scorer, tell)
        elif rows is None:
            self._rows, self._valid = fill_parts(job, self._bins, scorer, tell)
        else:
            self._rows, self._valid = (
                rows[0].unscored(self._bins),
                [held.unscored(self._bins) for held in rows[1]],
            )
        self.valid: list[tuple[NDArray[np.float64], NDArray[np.float64] | None]] = []
        for source, held in zip(job.valid, self._valid, strict=True):
            weight = held.in_order([part.weight for part in held.parts]) if source.weight else None
            label = held.in_order([part.label for part in held.parts]).astype(np.float64)
            self.valid.append((label, None if weight is None else weight.astype(np.float64)))
        self._crew = Crew(job.n_threads if self._pieces is not None else len(self._rows.parts))
        custom: Custom | None = None
        if job.watch.objective is not None:
            custom = self._custom
        elif job.params.get("objective") in RANKINGS:
            ranking = RANKINGS[job.params["objective"]]
            custom = ranking(self._rows, job.sizes[0], job.params, self._crew)
        of, continued = (job.params, self._settings, self._crew), bool(job.base.text)
        self._boosting: Boosting | StreamedBoosting
        if self._pieces is not None:
            self._boosting = StreamedBoosting(self._pieces, *of, continued=continued)
        else:
            self._boosting = Boosting(self._rows, *of, custom, Peers(mesh), continued=continued)
        self._trees: list[Tree] = []

    def _custom(self, _iteration: int, scores: Array) -> tuple[Array, Array]:
        """Ask the user's objective, which sees rows as LightGBM would show them."""
        parts = self._rows.parts
        label = self._rows.in_order([part.label for part in parts])
        weight = self._rows.in_order([part.weight for part in parts]) if len(parts[0].weight) else None
        shown = scores[0] if len(scores) == 1 else np.ascontiguousarray(scores.T)
        queries = self._job.sizes[:1]
        user = by_arity(self._job.watch.objective, "objective", queries=bool(queries))
        found = derivatives(user(label, shown, weight, *queries), shown.shape)
        g, h = (a[None] if len(scores) == 1 else a.reshape(shown.shape).T for a in found)
        return g, h

    def restart(self, iteration: int) -> None:
        """Do nothing: all that is random depends on the iteration's number already."""

    def step(self, iteration: int, share: float) -> bool:
        """See `Trainer.step`."""
        trees = self._boosting.iterate(
            iteration, self.model.rate * share if not self._settings.forest else 1.0
        )
        settled = self._settings.bagging == (1.0, 1.0) and self._settings.feature_fraction == 1.0
        if iteration and settled and all(tree.n_leaves == 1 for tree in trees):
            return False  # nothing is left to split, now or later
        self._trees += trees
        self.model.done = iteration + 1
        for held in self._valid:
            for k, tree in enumerate(trees):
                add_tree(held, tree, k, self._crew)
        return True

    def predict(self, k: int) -> NDArray[np.float64]:
        """See `Trainer.predict`."""
        held = self._valid[k]
        scores = np.ascontiguousarray(held.in_order([part.score for part in held.parts]).T)
        if self._settings.forest:
            scores /= max(1, len(self._trees) // self._job.n_scores)
        lines = self._bins.empty_text.splitlines()
        objective = next((line[len("objective=") :] for line in lines if line.startswith("objective=")), None)
        link = link_of(objective)
        by_pieces(
            lambda rows: link_rows(scores[rows], link.kind, link.scale), len(scores), self._job.n_threads
        )
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def text(self) -> str:
        """See `Trainer.text`."""
        text = model_text(self._bins, self._trees)
        return str(lgb.Booster(model_str=text).model_to_string(num_iteration=-1))

    def close(self) -> None:
        """See `Trainer.close`."""
        self._crew.close()
        if self._pieces is not None:
            self._pieces.close()
