"""Several workers on one socket: killed under load, a load that reaches all, metrics of all, the end."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import numpy as np
import psutil
import pytest

from scalable.serve.load import Target, arrivals, offer, ramp
from scalable.serve.metrics import added_up
from scalable.serve.models import Models
from tests.monitor.test_drift_observer import trained as with_reference
from tests.monitor.windows import FEATURES, rows
from tests.serve.running import ROW, ask, start, stop, trained

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("workers")
    trained(path / "second", 1)
    trained(path / "fraud.model", 0)
    return path


@pytest.fixture(scope="module")
def server(place):
    process, port = start(place, "--workers", "2")
    yield process, port
    if process.poll() is None:
        stop(process)


def children(process):
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in listed.stdout.split()]


def test_a_worker_killed_under_load_costs_no_request(server):
    process, port = server
    workers = children(process)
    assert len(workers) == 2
    killed, connections = [], []

    def kill():  # the one that has connections
        held = {pid: len(psutil.Process(pid).net_connections("tcp")) - 1 for pid in workers}
        killed.append(max(held, key=held.get))
        os.kill(killed[0], signal.SIGKILL)
        connections.append(held[killed[0]])

    killer = threading.Timer(0.7, kill)
    killer.start()
    found = offer(Target(f"http://127.0.0.1:{port}"), [ROW], 150, 2.0)
    killer.join()
    assert (found["failed"], found["statuses"]) == (0, {"200": 300})
    assert connections[0] > 0  # beside the one that listens
    deadline = time.monotonic() + 60
    while len(children(process)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    again = children(process)
    assert len(again) == 2
    assert killed[0] not in again
    assert ({*workers} - {*killed}) <= {*again}


def test_a_load_reaches_all_workers_and_metrics_are_of_all(server, place):
    _, port = server
    before = json.loads(ask(port, "GET", "/v2/models/fraud")[1])["versions"][0]
    os.rename(place / "fraud.model", place / "first")
    shutil.copytree(place / "second", place / "fraud.model")
    try:
        status, body, _ = ask(
            port, "POST", "/v2/repository/models/fraud/load", "", {"Authorization": "Bearer secret"}
        )
        assert status == 200, body
        versions = {json.loads(ask(port, "POST", "/predict", ROW)[1])["version"] for _ in range(40)}
        assert versions == {json.loads(body)["version"]}
        assert before not in versions
        text = ask(port, "GET", "/metrics")[1].decode()
        assert int(re.search(r'scalable_rows_total{model="fraud"} (\d+)', text)[1]) >= 40
        assert f'scalable_model_info{{model="fraud",version="{versions.pop()}"}} 1\n' in text
        (place / "fraud.model" / "model.json").write_text("{")
        refused = ask(
            port, "POST", "/v2/repository/models/fraud/load", "", {"Authorization": "Bearer secret"}
        )
        assert refused[0] == 409
    finally:
        shutil.rmtree(place / "fraud.model")
        os.rename(place / "first", place / "fraud.model")


def test_a_worker_that_begins_anew_agrees_with_the_others(server, place):
    """It reads what lies there now; half of the answers would be another model's than the other half."""
    process, port = server  # whose model is not the one that lies there, see above
    os.kill(children(process)[0], signal.SIGKILL)
    expected, deadline = Models([str(place / "fraud.model")]).get(None).version, time.monotonic() + 60
    seen = []
    while seen != [expected]:  # of all workers
        assert time.monotonic() < deadline, (seen, expected)
        time.sleep(0.05)
        text = ask(port, "GET", "/metrics")[1].decode()
        seen = re.findall(r'model_info{model="fraud",version="(.+)"}', text)


def test_a_ramp_ends_where_the_server_does_not_keep_up(server):
    _, port = server
    steps = ramp(Target(f"http://127.0.0.1:{port}"), [ROW, {}], 50, 0.3)
    assert len(steps) == 1  # one of two rows is refused
    steps = ramp(Target(f"http://127.0.0.1:{port}"), [ROW], 2000, 0.3)
    assert [step["rate"] for step in steps] == [2000 * 1.4**k for k in range(len(steps))]
    last = steps[-1]
    assert last["failed"] or last["p99_us"] > 1e6 or last["answered_per_second"] < 0.9 * last["rate"]


def test_the_end_finishes_requests_and_leaves_nobody(server):
    process, port = server
    workers = children(process)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/predict")
    body = json.dumps(ROW).encode()
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    connection.send(body)
    assert connection.getresponse().status == 200
    assert process.wait(30) == 0
    process.stdout.close()
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def exposed(a, queue, gauge):
    counters = "".join(f'a{{b="{b}"}} {n}\n' for b, n in a.items())
    queue = f"# TYPE scalable_queue gauge\nscalable_queue {queue}\n"
    return f"# TYPE a counter\n{counters}{queue}# TYPE g gauge\ng {gauge}\n"


def test_metrics_add_up():
    one, two = exposed({1: 2}, 1, 0.5), exposed({1: 3, 2: 1}, 1, 0.25)
    assert added_up([one, two]) == exposed({1: 5, 2: 1}, 2, 0.5)
    assert added_up([one]) == one


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A server of two workers with a monitor."""
    place = tmp_path_factory.mktemp("watched")
    with_reference(place / "fraud.model", 1)
    process, port = start(place, "--workers", "2", "--monitor")
    yield process, port
    if process.poll() is None:
        stop(process)


def test_a_monitor_counts_the_rows_of_all_workers(watched):
    _, port = watched
    for row in rows(300, 7, shift=3.0).select(FEATURES).to_pylist():
        assert ask(port, "POST", "/predict", row)[0] == 200
    told = [ask(port, "GET", "/metrics")[1].decode() for _ in range(4)]
    (counted,) = {re.search(r"monitor_observed_total{.*} (\d+)", text)[1] for text in told}
    assert counted == "300"
    assert all(
        'scalable_monitor_alarm{model="fraud",column="x",statistic="psi"} 1\n' in text for text in told
    )
    values = {
        re.search(r'monitor_value{model="fraud",column="x",statistic="psi"} (.*)', text)[1] for text in told
    }
    assert len(values) == 1


def test_workers_end_when_their_parent_is_killed(watched):
    process, _ = watched
    workers = children(process)
    assert len(workers) == 2
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    left = set(workers)
    while left and time.monotonic() < deadline:
        for pid in tuple(left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 0)
                continue
            left.discard(pid)
        time.sleep(0.05)
    assert not left


def test_requests_are_due_within_the_time_of_their_load():
    for seed in range(200):
        due = arrivals(200.0, 2.0, seed)
        assert len(due) == 400
        assert 0.0 <= due[0] <= due[-1] <= 2.0
        assert len(due) / due[-1] >= 0.9 * 200.0  # as fast as they came, even if answered at once
    pauses = np.diff(arrivals(1_000.0, 100.0, 0))
    assert abs(pauses.mean() * 1_000.0 - 1.0) < 0.02
    assert abs(pauses.std() / pauses.mean() - 1.0) < 0.02  # exponential
