"""Random accidents: a fit ends or raises in time, with the right trees, and leaves no process behind."""

import os
import random
import signal
import threading
import time

import lightgbm as lgb
import numpy as np
import psutil
import pytest

from scalable.boosting.options import Options
from scalable.boosting.train import train_on
from scalable.data.table import as_source
from scalable.errors import ClusterError

TREES = 150
PARAMS = {
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "num_iterations": TREES,
    "num_leaves": 15,
    "learning_rate": 0.03,
    # Ranks only estimate row counts, bin by bin: few bins and leaves bounded by hessians keep that out of it.
    "max_bin": 31,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 20.0,
}


def rank_processes():
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "scalable.boosting.rank" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(6000, 6))
    y = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=6000) > 0
    return as_source(X, y)


@pytest.fixture(scope="module")
def expected(source):
    X = np.column_stack([source.table[f"x{j}"].to_numpy() for j in range(6)])
    y = source.table["__target__"].to_numpy(zero_copy_only=False)
    booster = lgb.train({**PARAMS, "objective": "binary", "verbosity": -1}, lgb.Dataset(X, y))
    return X, booster.predict(X, raw_score=True)


def strike(kind, rng, done):
    """Wait until ranks run, then do something bad to one of them."""
    deadline = time.monotonic() + 60
    while len(rank_processes()) < 2 and time.monotonic() < deadline and not done.is_set():
        time.sleep(0.02)
    done.wait(rng.uniform(0, 4))
    victims = rank_processes()
    if not victims:
        return
    victim = rng.choice(victims)
    try:
        os.kill(victim.pid, {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[kind])
    except ProcessLookupError:
        return


def run_trial(kind, seed, team, source, expected, policy):
    rng = random.Random(seed)
    done = threading.Event()
    bomb = rng.randrange(TREES)

    def fail(env):
        if env.iteration == bomb and int(env.params["num_leaves"]) > 0:
            raise ZeroDivisionError("a bug in a callback")

    options = Options(
        on_loss=policy, checkpoint_every=10, silence=3.0, callbacks=[fail] if kind == "exception" else []
    )
    striker = threading.Thread(target=strike, args=(kind, rng, done))
    if kind != "exception":
        striker.start()
    began = time.monotonic()
    try:
        fitted = train_on(team, PARAMS, source, classify=True, options=options)
    except ClusterError:
        assert policy == "raise"
    except ZeroDivisionError:
        assert kind == "exception"
    else:
        assert kind != "exception"
        X, scores = expected
        assert fitted.booster.num_trees() == TREES
        np.testing.assert_allclose(fitted.booster.predict(X, raw_score=True), scores, atol=1e-6)
    finally:
        took = time.monotonic() - began
        done.set()
        if striker.is_alive():
            striker.join()
    assert took < 180, "hanging, even on a loaded machine"
    deadline = time.monotonic() + 5
    while rank_processes():
        assert time.monotonic() < deadline, "an orphan"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("kind", "policy"), [("kill", "replace"), ("freeze", "shrink"), ("exception", "replace")]
)
def test_three_accidents(local_team, source, expected, kind, policy):
    run_trial(kind, 1, local_team(2), source, expected, policy)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_hundred_accidents(local_team, source, expected):
    rng = random.Random(20261122)
    for seed in range(int(os.environ.get("SCALABLE_CHAOS_TRIALS", "200"))):
        kind = rng.choice(["kill", "kill", "freeze", "exception"])
        policy = rng.choice(["raise", "replace", "shrink"])
        run_trial(kind, seed, local_team(rng.choice([2, 2, 3])), source, expected, policy)
