"""Random accidents: a fit ends or raises in time, with the right trees, and leaves no process behind."""

import functools
import os
import random
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from scalable.boosting.options import Options
from scalable.boosting.train import train, train_on
from scalable.boosting.workers import supervise
from scalable.boosting.workers.launchers import LocalLauncher
from scalable.data.table import as_source
from scalable.errors import ClusterError, ModelError
from scalable.report.document import new_results
from scalable.report.results import write_results
from tests.boosting.hosts import allowed as hosts_allowed
from tests.boosting.hosts import namespace_hosts, small_disk
from tests.boosting.processes import worker_processes

TREES = 150
PARAMS = {
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "num_iterations": TREES,
    "num_leaves": 15,
    "learning_rate": 0.03,
    # Workers only estimate row counts, bin by bin: few bins and leaves bounded by hessians keep that out of it.
    "max_bin": 31,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 20.0,
}

ENGINES = {"lightgbm": {"engine": "lightgbm"}, "native": {"engine": "native", "leaves_per_round": 3}}


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(11)
    X = rng.normal(size=(6000, 6))
    y = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=6000) > 0
    return as_source(X, y)


@pytest.fixture(scope="module")
def undisturbed(source):
    """Predictions of LightGBM, and the text that the native engine's model has whatever happens to workers."""
    text = functools.cache(
        lambda: train(PARAMS | ENGINES["native"], source, classify=True).booster.model_to_string()
    )
    return {"lightgbm": lightgbm_scores(source), "native": text}


def lightgbm_scores(source):
    X = np.column_stack([source.table[f"x{j}"].to_numpy() for j in range(6)])
    y = source.table["__target__"].to_numpy(zero_copy_only=False)
    booster = lgb.train({**PARAMS, "objective": "binary", "verbosity": -1}, lgb.Dataset(X, y))
    return X, booster.predict(X, raw_score=True)


def strike(kind, rng, done):
    """Wait until workers run, then do something bad to one of them."""
    deadline = time.monotonic() + 60
    while len(worker_processes()) < 2 and time.monotonic() < deadline and not done.is_set():
        time.sleep(0.02)
    done.wait(rng.uniform(0, 4))
    victims = worker_processes()
    if not victims:
        return
    victim = rng.choice(victims)
    try:
        os.kill(victim.pid, {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}[kind])
    except ProcessLookupError:
        return


def cut(hosts, rng, done):
    """Take one host's link down for ten seconds."""
    deadline = time.monotonic() + 60
    while len(worker_processes()) < 2 and time.monotonic() < deadline and not done.is_set():
        time.sleep(0.02)
    done.wait(rng.uniform(1, 5))
    host = rng.randrange(2)
    hosts.link(host, "down")
    done.wait(10)
    hosts.link(host, "up")


@contextmanager
def stolen_port(rng):
    """Let somebody else listen where worker 0 of the first attempt is said to."""
    deliver, thief, stolen = LocalLauncher.deliver, socket.create_server(("127.0.0.1", 0)), []

    def mislead(self, peers):
        if not stolen or stolen[0] is self:
            stolen.append(self)
            peers = [thief.getsockname(), *peers[1:]]
        deliver(self, peers)

    with thief, pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalLauncher, "deliver", mislead)
        yield


@contextmanager
def accident(kind, rng, team, tmp_path):
    """Arrange for one accident; yields the team it happens to and the checkpoint directory."""
    done, striker, checkpoint = threading.Event(), None, None
    with ExitStack() as stack:
        if kind in ("kill", "freeze"):
            striker = threading.Thread(target=strike, args=(kind, rng, done))
        elif kind == "port":
            stack.enter_context(stolen_port(rng))
        elif kind == "disk":
            place = tmp_path / f"disk{rng.random()}"
            place.mkdir()
            stack.enter_context(small_disk(place, 2**16))
            checkpoint = str(place / "trees")
        elif kind == "cut":
            found = stack.enter_context(namespace_hosts(len(team.places)))
            places = [replace(p, host=a) for p, a in zip(team.places, found.addresses, strict=True)]
            team = replace(team, places=tuple(places))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            command = supervise.worker_command
            patch.setattr(supervise, "worker_command", lambda job: found.inside(job.host, command(job)))
            striker = threading.Thread(target=cut, args=(found, rng, done))
        if striker is not None:
            striker.start()
        try:
            yield team, checkpoint
        finally:
            done.set()
            if striker is not None:
                striker.join()


def run_trial(kind, seed, team, source, undisturbed, policy, tmp_path, engine="lightgbm"):
    rng = random.Random(seed)
    bomb = rng.randrange(TREES)

    def fail(env):
        if env.iteration == bomb and int(env.params["num_leaves"]) > 0:
            raise ZeroDivisionError("a bug in a callback")

    began = time.monotonic()
    with accident(kind, rng, team, tmp_path) as (struck, checkpoint):
        options = Options(
            on_loss=policy, checkpoint=checkpoint, checkpoint_every=10, silence=3.0,
            callbacks=[fail] if kind == "exception" else [],
        )  # fmt: skip
        try:
            fitted = train_on(struck, PARAMS | ENGINES[engine], source, classify=True, options=options)
        except ClusterError:
            assert policy == "raise"
        except ModelError:
            assert kind == "disk"
        except ZeroDivisionError:
            assert kind == "exception"
        else:
            assert kind not in ("exception", "disk")
            assert fitted.booster.num_trees() == TREES
            if engine == "native":
                assert fitted.booster.model_to_string() == undisturbed["native"]()
            else:
                X, scores = undisturbed["lightgbm"]
                np.testing.assert_allclose(fitted.booster.predict(X, raw_score=True), scores, atol=1e-6)
            if kind == "port":
                assert fitted.stats["losses"]
    assert time.monotonic() - began < 600, "hanging, even on a machine that is busy with other work"
    deadline = time.monotonic() + 5
    while worker_processes():
        assert time.monotonic() < deadline, "an orphan"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("kind", "policy", "engine"),
    [
        ("kill", "replace", "lightgbm"),
        ("freeze", "shrink", "lightgbm"),
        ("exception", "replace", "lightgbm"),
        ("kill", "shrink", "native"),
    ],
)
def test_four_accidents(local_team, source, undisturbed, kind, policy, engine, tmp_path):
    run_trial(kind, 1, local_team(2), source, undisturbed, policy, tmp_path, engine)


KINDS = ["kill", "kill", "freeze", "exception", "port"] + ["cut", "disk"] * hosts_allowed()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["raise", "replace", "shrink"])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"kill", "exception"}))
def test_every_kind_of_accident(local_team, source, undisturbed, kind, policy, tmp_path):
    run_trial(kind, 3, local_team(2), source, undisturbed, policy, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("engine", ["lightgbm", "native"])
def test_two_hundred_accidents(local_team, source, undisturbed, engine, tmp_path):
    """Fewer with SCALABLE_CHAOS_TRIALS; with SCALABLE_CHAOS_OUT=FILE they are recorded."""
    rng, trials = random.Random(20261122), []
    for seed in range(int(os.environ.get("SCALABLE_CHAOS_TRIALS", "200"))):
        kind = rng.choice(KINDS)
        policy, n_workers = rng.choice(["raise", "replace", "shrink"]), rng.choice([2, 2, 3])
        if seed < int(os.environ.get("SCALABLE_CHAOS_FIRST", "0")):
            continue
        trial = {"seed": seed, "accident": kind, "policy": policy, "workers": n_workers}
        began = time.monotonic()
        try:
            run_trial(kind, seed, local_team(n_workers), source, undisturbed, policy, tmp_path, engine)
        except AssertionError as error:
            trial["wrong"] = str(error).splitlines()[0]
        trials.append({**trial, "seconds": time.monotonic() - began})
        print(trials[-1], flush=True)
    wrong = [trial for trial in trials if "wrong" in trial]
    if out := os.environ.get("SCALABLE_CHAOS_OUT"):
        kinds = [
            {"accident": kind, "trials": len(of), "wrong": sum("wrong" in trial for trial in of),
             "longest_seconds": max(trial["seconds"] for trial in of)}
            for kind in sorted({trial["accident"] for trial in trials})
            for of in [[trial for trial in trials if trial["accident"] == kind]]
        ]  # fmt: skip
        content = {
            "engine": engine,
            "trials": len(trials),
            "wrong": len(wrong),
            "kinds": kinds,
            "each": trials,
        }
        names = f"-m slow -k 'two_hundred_accidents and {engine}' tests/boosting/workers"
        command = f"SCALABLE_CHAOS_TRIALS={len(trials)} SCALABLE_CHAOS_OUT=FILE python -m pytest {names}"
        write_results(Path(out), new_results("boosting chaos", {"chaos": content}, command=command))
    assert not wrong
