"""Bytes and seconds of the exchange between hosts with shaped links, beside what the network model predicts.

Hosts are Linux network namespaces on one bridge (root is needed), each with its own `dask worker` process; a token
bucket limits what each may send.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.boosting.rows import COLUMNS, wide

HOSTS = (1, 2, 4)
MEGABIT = 100
LEAVES = 63
TOGETHER = (1, 16)  # leaves that are split together
# Ethernet, IP and TCP headers on top of 1,448 bytes of payload, as the token bucket counts them.
PAYLOAD = 1448 / 1514
PORT = 8786


def section_network(
    rows: int, trees: int, only: list[str], megabit: int = MEGABIT, hosts: Sequence[int] = HOSTS
) -> dict[str, Any]:
    """Fit on 1, 2 and 4 namespace hosts, one leaf a round and many, and compare bytes and seconds with the model."""
    from scalable.boosting.estimates import predict_traffic

    directory = str(wide(rows))
    out = []
    for n_hosts, together in [(n, k) for n in hosts for k in TOGETHER[: 1 if n == 1 else None]]:
        with _hosts(n_hosts + 1, megabit), _cluster(n_hosts) as address:
            run = _fit(address, directory, trees, n_hosts, together)
        plan = predict_traffic(run["bins"], LEAVES, n_hosts, engine="native", leaves_per_round=together)
        predicted = plan.seconds(megabit * 1e6 / 8 * PAYLOAD, run["round_trip_seconds"] / 2)
        sent = statistics.mean(worker.get("bytes_sent", 0) for worker in run["workers"]) / trees
        # The worker that waits least computed longest; what it still waits for is the network.
        waited = min(worker.get("exchange_seconds", 0.0) for worker in run["workers"]) / trees
        out.append(
            {
                "hosts": n_hosts,
                "leaves_per_round": together,
                "exchanges_per_tree": max(worker.get("exchanges", 0) for worker in run["workers"]) / trees,
                "exchanges_predicted": plan.exchanges,
                "bytes_per_tree": sent,
                "bytes_predicted": plan.total,
                "bytes_ratio": sent / plan.total if plan.total else None,
                "seconds_per_tree": waited,
                "seconds_predicted": predicted,
                "seconds_ratio": waited / predicted if predicted else None,
                **run,
            }
        )
    return {
        "rows": rows,
        "columns": COLUMNS,
        "trees": trees,
        "leaves": LEAVES,
        "megabit_per_second": megabit,
        "hosts": out,
    }


def _address(host: int) -> str:
    return f"10.77.0.{host + 1}"


def _inside(host: int, *command: str) -> list[str]:
    return ["ip", "netns", "exec", f"sbthost{host}", *command]


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True)


@contextlib.contextmanager
def _hosts(n: int, megabit: int) -> Iterator[None]:
    """Make `n` namespaces that reach each other over a bridge at so many megabits a second each."""
    with contextlib.ExitStack() as stack:
        _ip("link", "add", "sbtbr", "type", "bridge")
        stack.callback(_ip, "link", "del", "sbtbr")
        _ip("link", "set", "sbtbr", "up")
        for host in range(n):
            name = f"sbthost{host}"
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("link", "add", f"sbtv{host}", "type", "veth", "peer", "name", "eth0", "netns", name)
            stack.callback(_ip, "link", "del", f"sbtv{host}")  # a namespace gives its devices up only later
            _ip("link", "set", f"sbtv{host}", "master", "sbtbr", "up")
            _ip("-n", name, "addr", "add", f"{_address(host)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", name, "link", "set", device, "up")
            shape = ("tbf", "rate", f"{megabit}mbit", "burst", "32kb", "latency", "100ms")
            subprocess.run(_inside(host, "tc", "qdisc", "add", "dev", "eth0", "root", *shape), check=True)
        yield


@contextlib.contextmanager
def _cluster(n_workers: int) -> Iterator[str]:
    """Start a scheduler on host 0 and a worker on each other host, as one would by hand."""
    dask = str(Path(sys.executable).parent / "dask")
    address = f"tcp://{_address(0)}:{PORT}"
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as place:
        try:
            commands = [
                _inside(0, dask, "scheduler", "--host", _address(0), "--port", str(PORT), "--no-dashboard"),
                *(
                    _inside(
                        host, dask, "worker", address, "--nthreads", "1", "--host", _address(host),
                        "--no-dashboard", "--no-nanny", "--local-directory", f"{place}/{host}",
                    )
                    for host in range(1, n_workers + 1)
                ),
            ]  # fmt: skip
            quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.extend(subprocess.Popen(command, **quiet) for command in commands)
            yield address
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _fit(address: str, directory: str, trees: int, n_hosts: int, together: int) -> dict[str, Any]:
    """Run `main` below on host 0 and return what it prints."""
    words = (address, directory, str(trees), str(n_hosts), str(together))
    command = _inside(0, sys.executable, "-m", "bench.boosting.network", *words)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=dict(os.environ))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Fit from host 0: `ADDRESS DIRECTORY TREES WORKERS LEAVES_PER_ROUND`."""
    from distributed import Client

    from scalable import ParquetSource
    from scalable.boosting import LGBMClassifier

    address, directory, trees = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with Client(address, timeout=60) as client:
        client.wait_for_workers(int(sys.argv[4]))
        began = time.perf_counter()
        growth: dict[str, Any] = {
            "min_child_samples": 1,
            "engine": "native",
            "leaves_per_round": int(sys.argv[5]),
        }
        model = LGBMClassifier(trees, num_leaves=LEAVES, client=client, n_workers=int(sys.argv[4]), **growth)
        model.fit(ParquetSource(directory, target="y"))
        stats = model.stats_
        found = {
            "fit_seconds": time.perf_counter() - began,
            "bins": stats["bins"],
            "workers": stats["workers"],
            "round_trip_seconds": _round_trip(client),
        }
    print(json.dumps(found))


def _round_trip(client: Any) -> float:
    """Return the median seconds of a small message to a worker's host and back, over a plain socket."""
    worker = next(iter(client.scheduler_info()["workers"]))
    host = worker.split("://")[1].rsplit(":", 1)[0]
    future = client.submit(_echo, host, workers=[worker], pure=False)
    with contextlib.closing(_dial(host)) as sock:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            sock.sendall(b"x" * 64)
            sock.recv(64)
            times.append(time.perf_counter() - began)
    future.result()
    return sorted(times)[100]


ECHO_PORT = 8799


def _echo(host: str) -> None:
    with socket.create_server((host, ECHO_PORT)) as server:
        server.settimeout(30)
        sock, _ = server.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock:
            while data := sock.recv(64):
                sock.sendall(data)


def _dial(host: str) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            sock = socket.create_connection((host, ECHO_PORT), timeout=5)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
