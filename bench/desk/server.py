"""The desk's server: the package's own application, whose stored features are looked up at the time of the replay.

python -m bench.desk.server REGISTRY DEFINITIONS STORE
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scalable.feature_store.online.requests import RequestFeatures
from scalable.serve.app import App
from scalable.serve.drift import DriftObserver
from scalable.serve.follow import Follower
from scalable.serve.models import Models
from scalable.serve.run import listen, run


class ReplayFeatures(RequestFeatures):
    """Looks features up just before the time that a request says, as the desk replays the past."""

    def lookup_into(self, request: dict[str, Any], at: int | None = None) -> dict[str, Any]:
        """Return a request with its features."""
        moment = (int(request["time"]) - 1) * 10**6 if at is None else at
        return super().lookup_into({k: v for k, v in request.items() if k != "time"}, moment)


def serve(registry: str, definitions: str, store: str) -> None:
    """Answer requests until SIGTERM."""
    models = Models([f"registry:{registry}/fraud@production"])
    follower = Follower(models, 0.05, lambda line: None)
    made, place = listen("127.0.0.1:0", None)
    print(place, flush=True)
    follower.start()
    try:
        run(App(models, features=ReplayFeatures(definitions, store), observer=DriftObserver(models)), made)
    finally:
        follower.stop()


class Served:
    """The server as a process, and questions to it."""

    def __init__(self, registry: Path, definitions: Path, store: Path) -> None:
        words = [sys.executable, "-m", "bench.desk.server", str(registry), str(definitions), str(store)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline().rsplit(":", 1)[1])
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, row: dict[str, Any]) -> tuple[float, str, float]:
        """Return prediction, version and seconds of a request."""
        body = json.dumps(row)
        start = time.perf_counter()
        answer = json.loads(self._reply("POST", "/predict", body))
        return answer["prediction"], answer["version"], time.perf_counter() - start

    def _reply(self, method: str, path: str, body: str | None = None) -> bytes:
        """Return the body of an answer; a connection that was idle too long is made anew."""
        for last in (False, True):
            try:
                self._connection.request(method, path, body)
                return self._connection.getresponse().read()
            except (http.client.HTTPException, OSError):
                self._connection.close()
                if last:
                    raise
        raise AssertionError

    def alarms(self) -> list[str]:
        """Return the columns and figures that the server's monitor has alarms of."""
        lines = self._reply("GET", "/metrics").decode().splitlines()
        found = [line for line in lines if line.startswith("scalable_monitor_alarm{") and line.endswith(" 1")]
        return [line.split('column="')[1].replace('",statistic="', ": ").split('"')[0] for line in found]

    def until(self, version: int, row: dict[str, Any]) -> float:
        """Ask until a version answers; return the seconds it took."""
        start = time.perf_counter()
        while self.ask(row)[1] != str(version):
            if time.perf_counter() - start > 60:
                raise TimeoutError(f"version {version} does not answer")
            time.sleep(0.01)
        return time.perf_counter() - start

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.wait(30)


if __name__ == "__main__":
    serve(*sys.argv[1:4])
