import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalable import ParquetSource, tune
from scalable.boosting import LGBMClassifier, LGBMRegressor
from scalable.data.fingerprint import Fingerprint
from scalable.errors import ClusterError, DataError, UsageError
from scalable.tuning import boosted, runners
from scalable.tuning.boosted import common_engine
from scalable.tuning.halving import Rung
from scalable.tuning.journal import Journal
from scalable.tuning.runners import OnCluster
from scalable.tuning.search import climb
from scalable.tuning.trials import Measured
from tests.conftest import worker_processes

SPACE = "learning_rate=log:0.02:0.5,num_leaves=4|8|15,min_child_samples=logint:2:200"
LOOK = ["trial", "params", "status", "budget", "value", "at", "curve"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(5)
    for part in range(2):
        x = rng.normal(size=(3000, 4))
        city = rng.choice(["Bern", "Lima", "Oslo"], 3000)
        p = 1 / (1 + np.exp(-(x[:, 0] + x[:, 1] * x[:, 2] + (city == "Oslo"))))
        table = {f"x{j}": x[:, j] for j in range(4)} | {"city": city, "y": (rng.random(3000) < p).astype(int)}
        pq.write_table(
            pa.table(table | {"amount": x[:, 0] + rng.normal(size=3000)}), folder / f"{part}.parquet"
        )
    return folder


@pytest.fixture(scope="module")
def halves(place):
    named = {"target": "y", "features": ["x0", "x1", "x2", "x3", "city"]}
    return [ParquetSource(place / f"{part}.parquet", **named) for part in range(2)]


def look(search):
    return [{name: trial[name] for name in LOOK} for trial in search.trials]


def test_one_engine_does_what_all_trials_ask():
    plain = [{"n_estimators": 100, "num_leaves": leaves} for leaves in (15, 63)]
    assert common_engine(plain, 1_000_000, 28) == "native"
    assert common_engine(plain, 1_000, 28) == "lightgbm"  # little work
    assert common_engine([*plain, {"cegb_tradeoff": 2.0}], 1_000_000, 28) == "lightgbm"
    assert common_engine([*plain, {"num_leaves": 1}], 1_000_000, 28) == "native"  # told with its trial


@pytest.mark.parametrize("engine", ["lightgbm", "native"])
def test_a_trial_is_the_model_that_the_estimator_fits(halves, engine):
    train, held = halves
    found = tune(
        LGBMClassifier, train, SPACE, n_trials=9, valid=held, budget=18, engine=engine, n_jobs=1, subsample=0.7,
        subsample_freq=1,
    )  # fmt: skip
    assert [rung.trials for rung in found.rungs] == [9, 3, 1]
    assert [one["status"] for one in found.trials].count("pruned") == 8
    assert found.best["value"] == min(value for _, value in found.best["curve"])
    model = LGBMClassifier(**found.estimator.get_params())
    model.fit(train, valid=held)
    assert model.evals_result_["valid_0"]["binary_logloss"][-1] == found.best["value"]
    assert found.estimator.n_estimators == found.best["at"]
    p = found.estimator.predict_proba(held)[:, 1]
    np.testing.assert_array_equal(p, model.predict_proba(held)[:, 1])


@pytest.mark.parametrize("engine", ["lightgbm", "native"])
def test_boosters_that_were_not_kept_are_trained_again_to_the_same_bits(halves, engine, monkeypatch):
    how = {"n_trials": 9, "valid": halves[1], "budget": 18, "engine": engine, "refit": False, "subsample": 0.7,
           "subsample_freq": 1, "colsample_bytree": 0.8}  # fmt: skip
    kept = tune(LGBMClassifier, halves[0], SPACE, **how)
    monkeypatch.setattr(boosted, "LIVE_BYTES", 1)
    assert look(tune(LGBMClassifier, halves[0], SPACE, **how)) == look(kept)


def test_the_same_on_a_cluster(halves, dask_client):
    how = {"n_trials": 9, "valid": halves[1], "budget": 9, "seed": 4}
    here = tune(LGBMClassifier, halves[0], SPACE, **how)
    there = tune(LGBMClassifier, halves[0], SPACE, client=dask_client, **how)
    assert look(there) == look(here)
    texts = [one.estimator.booster_.model_to_string().partition("\nparameters:")[0] for one in (here, there)]
    assert texts[0] == texts[1]


SCRIPT = """
import sys
from scalable import ParquetSource, tune
train, held = (ParquetSource(path, target="y") for path in sys.argv[1:3])
tune("lightgbm", train, {space!r}, task="classification", n_trials=27, valid=held, budget=200, refit=False,
     checkpoint=sys.argv[3], n_jobs=1, seed=2, client=sys.argv[4] if sys.argv[4:] else None)
"""
MEASURED = 27 + 9 + 3 + 1  # by a search that nobody kills


@pytest.fixture(scope="module")
def whole(place):
    """The script's search, which nobody kills."""
    train, held = (ParquetSource(place / f"{part}.parquet", target="y") for part in range(2))
    how = {"task": "classification", "n_trials": 27, "valid": held, "budget": 200, "n_jobs": 1, "seed": 2}
    return tune("lightgbm", train, SPACE, **how)


@pytest.fixture(scope="module")
def two_mortals(tmp_path_factory):
    """A client of two workers, one of which may be killed."""
    with worker_processes(2, tmp_path_factory.mktemp("mortal")) as client:
        yield client


def measured(journal):
    return journal.read_text().count('"trial"') if journal.exists() else 0


def wait_for(n, journal, process):
    """Wait until a search that goes on has measured so many trials; end it where that does not come to pass."""
    deadline = time.monotonic() + 100
    while measured(journal) < n and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    if not n <= measured(journal) < MEASURED or process.poll() is not None:
        process.kill()
        pytest.fail(f"{measured(journal)} trials were measured, the search ended with {process.wait()}")


def test_a_killed_search_is_resumed_to_the_same_result(place, whole, tmp_path):
    paths, journal = [str(place / f"{part}.parquet") for part in range(2)], tmp_path / "search"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(space=SPACE), *paths, str(journal)])
    wait_for(3, journal, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train, held = (ParquetSource(path, target="y") for path in paths)
    how = {"task": "classification", "n_trials": 27, "valid": held, "refit": False, "n_jobs": 1, "seed": 2}
    with pytest.raises(UsageError, match=r"the checkpoint is of another search .*budgets"):
        tune("lightgbm", train, SPACE, budget=20, checkpoint=journal, resume=True, **how)
    resumed = tune("lightgbm", train, SPACE, budget=200, checkpoint=journal, resume=True, **how)
    assert look(resumed) == look(whole)


def test_a_search_whose_worker_and_driver_are_killed_ends_the_same(place, whole, two_mortals, tmp_path):
    """SIGKILL of a worker, then of who asks for trials; the cluster that is left goes on from the checkpoint."""
    paths, journal = [str(place / f"{part}.parquet") for part in range(2)], tmp_path / "search"
    train, held = (ParquetSource(path, target="y") for path in paths)
    how = {"task": "classification", "n_trials": 27, "valid": held, "budget": 200, "n_jobs": 1, "seed": 2}
    words = [
        sys.executable,
        "-c",
        SCRIPT.format(space=SPACE),
        *paths,
        str(journal),
        two_mortals.scheduler.address,
    ]
    process = subprocess.Popen(words)
    wait_for(2, journal, process)
    os.kill(next(iter(two_mortals.run(os.getpid).values())), signal.SIGKILL)
    wait_for(measured(journal) + 4, journal, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = json.loads(journal.read_text())["measured"]
    there = tune("lightgbm", train, SPACE, client=two_mortals, checkpoint=journal, resume=True, **how)
    assert look(there) == look(whole)
    assert json.loads(journal.read_text())["measured"][: len(known)] == known  # none was measured twice
    assert len(json.loads(journal.read_text())["measured"]) == MEASURED
    texts = [one.estimator.booster_.model_to_string().partition("\nparameters:")[0] for one in (whole, there)]
    assert texts[0] == texts[1]


def test_a_worker_that_dies_with_what_it_found_is_asked_no_more(halves, two_mortals, monkeypatch):
    how = {"n_trials": 9, "valid": halves[1], "budget": 9, "seed": 4, "refit": False}
    fetch, processes = OnCluster._result, two_mortals.run(os.getpid)

    def kill_and_fetch(self, future, trial, worker, waiting):
        if len(processes) == 2:
            os.kill(processes.pop(worker), signal.SIGKILL)
            deadline = time.monotonic() + 30
            while worker in two_mortals.nthreads() and time.monotonic() < deadline:
                time.sleep(0.02)
        return fetch(self, future, trial, worker, waiting)

    monkeypatch.setattr(OnCluster, "_result", kill_and_fetch)
    there = tune(LGBMClassifier, halves[0], SPACE, client=two_mortals, **how)
    assert look(there) == look(tune(LGBMClassifier, halves[0], SPACE, **how))
    assert len(processes) == 1


class Future:
    def __init__(self, status):
        self.status = status

    def result(self, timeout):
        raise TimeoutError("of the trial")


def test_a_trials_own_timeout_is_not_taken_for_a_slow_fetch():
    client = SimpleNamespace(scatter=print, sync=lambda *_, **__: None)
    runner, waiting = OnCluster(client, [], None), deque()
    assert runner._result(Future("finished"), 5, "here", waiting) is None
    assert not waiting  # fetched too slowly: asked for again
    for _ in range(2):
        assert runner._result(Future("error"), 5, "here", waiting) is None
        assert waiting.popleft() == 5
    with pytest.raises(ClusterError, match="of the trial"):
        runner._result(Future("error"), 5, "here", waiting)


def test_a_search_that_breaks_off_goes_on(halves, tmp_path, monkeypatch):
    search = tmp_path / "deep" / "search"
    how = {"n_trials": 9, "valid": halves[1], "budget": 18, "checkpoint": search, "refit": False}
    whole = tune(LGBMClassifier, halves[0], SPACE, **{**how, "checkpoint": None})
    grow, left = boosted._Booster.grow, [5]

    def grow_a_few(self, budget):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        grow(self, budget)

    monkeypatch.setattr(boosted._Booster, "grow", grow_a_few)
    for resume in (False, True):  # twice broken off, the second time on the second rung
        left[0] = 5
        with pytest.raises(KeyboardInterrupt):
            tune(LGBMClassifier, halves[0], SPACE, resume=resume, **how)
    with pytest.raises(UsageError, match="is there already; give resume=True"):
        tune(LGBMClassifier, halves[0], SPACE, **how)
    left[0] = 100
    assert look(tune(LGBMClassifier, halves[0], SPACE, resume=True, **how)) == look(whole)
    assert left[0] == 100 - 3  # ten of thirteen were measured before
    search.write_text('{"kind": 1}')
    with pytest.raises(UsageError, match="remove it to start over"):
        tune(LGBMClassifier, halves[0], SPACE, resume=True, **how)


def test_other_learners_see_more_and_more_rows(place):
    source = ParquetSource(place, target="amount", features=["x0", "x1", "city"])
    found = tune("ridge", source, "alpha=log:0.001:1e6", n_trials=9)
    assert [(rung.trials, rung.budget) for rung in found.rungs][-1] == (3, 20)
    assert found.metric == "mse"
    assert found.best["value"] == pytest.approx(1.0, abs=0.15)
    assert found.estimator.alpha == found.best["params"]["alpha"]
    by_auc = tune(
        "svc", ParquetSource(place, target="y", features=["x0", "city"]), "C=log:0.01:10", n_trials=3
    )
    assert (by_auc.metric, by_auc.higher_is_better) == ("auc", True)
    assert by_auc.best["value"] == max(t["value"] for t in by_auc.trials if t["status"] == "finished")


def test_trials_that_fail_say_why_and_never_win(halves):
    train, held = halves
    found = tune("logistic", train, "solver=newton|no-such,C=0.1|1", n_trials=4, valid=held)
    failed = [one for one in found.trials if one["status"] == "failed"]
    assert {one["params"]["solver"] for one in failed} == {"no-such"}
    assert all("solver" in one["fault"] for one in failed)
    assert found.best["params"]["solver"] == "newton"
    with pytest.raises(DataError, match=r"every trial failed, the first one: C must be a number, not '[ab]'"):
        tune("logistic", train, "C=a|b", valid=held)
    with pytest.raises(DataError, match=r"every trial failed, the first one: .*solver"):
        tune("logistic", train, "solver=no-such", valid=held)


def test_metrics_that_are_no_numbers_end_a_search_in_a_line():
    class Runner:
        def run(self, trials, budget):
            return ((trial, Measured(math.nan, budget)) for trial in trials)

    plan = SimpleNamespace(higher_is_better=False, unit="iterations", metric="auc")
    journal = Journal(None, Fingerprint({}), resume=False)
    with pytest.raises(DataError, match="every trial failed, the first one: its auc is nan"):
        climb([Rung(3, 1), Rung(1, 4)], Runner(), journal, plan)


@pytest.mark.parametrize(
    ("learner", "space", "options", "said"),
    [
        ("lightgbm", "lerning_rate=0.1", {}, "did you mean 'learning_rate'"),
        ("lightgbm", "max_bin=63|255", {}, "all trials share one set of binned rows"),
        ("lightgbm", "n_estimators=10|20", {}, "the budget that trials compete for"),
        ("lightgbm", "learning_rate=-1|0.1", {}, "learning_rate must be"),
        ("lightgbm", "num_leaves=4|8", {"num_leaves": 4}, "leave one out"),
        ("lightgbm", "num_leaves=4|8", {"lamda_l2": 4}, "did you mean 'lambda_l2'"),
        ("lightgbm", "num_leaves=4|8", {"boosting": "dart"}, "cannot be tuned here"),
        ("lightgbm", "num_leaves=4|8", {"metric": "acu"}, "has no metric 'acu'"),
        ("lightgbm", "num_leaves=4|8", {"task": "ranking"}, "ranking cannot be tuned"),
        ("lightgbm", "num_leaves=4|8", {"task": None}, "say which by task"),
        ("logistic", "C=1", {"budget": 5, "task": None}, "leave it out"),
        ("logistic", "C=1", {"metric": "mse", "task": None}, "binary has no metric 'mse'"),
        ("pca", "n_components=1|2", {"task": None}, "transform cannot be tuned"),
        ("lightgmb", "C=1", {}, "did you mean 'lightgbm'"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(halves, learner, space, options, said):
    with pytest.raises(UsageError, match=said) as told:
        tune(learner, halves[0], space, **{"task": "classification", **options})
    assert "\n" not in str(told.value)


def test_held_out_rows_of_other_columns_are_told(halves, tmp_path):
    pq.write_table(pa.table({"x0": [1.0, 2.0], "y": [0, 1]}), tmp_path / "other.parquet")
    for target, kind, said in (("y", DataError, "x1"), (None, UsageError, "target")):
        valid = ParquetSource(tmp_path / "other.parquet", target=target)
        with pytest.raises(kind, match=said):
            tune("logistic", halves[0], "C=1|2", valid=valid)


def test_too_few_rows_are_told(tmp_path):
    pq.write_table(pa.table({"x": [1.0, 2.0], "y": [0.0, 1.0]}), tmp_path / "few.parquet")
    with pytest.raises(DataError, match="too few to hold some out"):
        tune(LGBMRegressor, ParquetSource(tmp_path / "few.parquet", target="y"), "num_leaves=4|8")


def test_a_frozen_worker_ends_a_search(halves, two_mortals, monkeypatch):
    """SIGSTOP of a worker under a trial: it keeps its connections, and who searches waits for it no longer."""
    start, stopped, pids = OnCluster._start, [], two_mortals.run(os.getpid)

    def start_and_stop(self, worker, waiting, budget):
        if not stopped:
            os.kill(pids[worker], signal.SIGSTOP)
            stopped.append(worker)
        start(self, worker, waiting, budget)

    monkeypatch.setattr(OnCluster, "_start", start_and_stop)
    monkeypatch.setattr(runners, "FROZEN_SECONDS", 2.0)
    monkeypatch.setattr(runners, "FORGET_SECONDS", 0.2)
    how = {"n_trials": 9, "valid": halves[1], "budget": 9, "refit": False}
    began = time.monotonic()
    try:
        with pytest.raises(ClusterError, match=r"worker tcp://.* gave no sign of life for 2 s; restart it"):
            tune(LGBMClassifier, halves[0], SPACE, client=two_mortals, **how)
        assert time.monotonic() - began < 25
    finally:
        for worker in stopped:
            os.kill(pids[worker], signal.SIGCONT)
