"""One of several processes that answer requests on a socket that their parent holds."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scalable.errors import ScalableError, UsageError
from scalable.serve.app import App
from scalable.serve.channel import line
from scalable.serve.follow import Follower
from scalable.serve.limits import Limits
from scalable.serve.models import Models
from scalable.serve.run import run
from scalable.serve.siblings import Siblings


@dataclass(frozen=True, slots=True)
class Job:
    """What is served; plain values, as another process reads them.

    Attributes
    ----------
    models : list of str
        ``PATH`` or ``NAME=PATH``.
    limits : dict
        Of `Limits`.
    token_file, certificate, key, features, store : str or None
        Files and folders.
    follow : float or None
        Seconds between two looks at the models' paths.
    monitor : bool
        Whether answered rows are held against the models' references.
    workers : int
        Processes that answer.
    """

    models: list[str]
    limits: dict[str, Any]
    token_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    features: str | None = None
    store: str | None = None
    follow: float | None = None
    monitor: bool = False
    workers: int = 1

    def document(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)

    def token(self) -> str | None:
        """Return the token of who may load models."""
        if self.token_file is None:
            return None
        token = Path(self.token_file).read_text().strip()
        if not token:
            raise UsageError(f"{self.token_file} holds no token")
        return token

    def app(self, models: Models, siblings: Siblings | None = None) -> App:
        """Return the application that serves loaded models."""
        stored = None
        if self.features is not None and self.store is not None:
            from scalable.feature_store.online.requests import RequestFeatures

            stored = RequestFeatures(Path(self.features), Path(self.store))
        observer = None
        if self.monitor:
            from scalable.serve.drift import DriftObserver

            observer = DriftObserver(models, workers=self.workers)
        return App(models, Limits(**self.limits), self.token(), stored, observer, siblings)

    def serve(
        self,
        app: App,
        listening: socket.socket,
        siblings: Siblings | None = None,
        started: Callable[[], None] | None = None,
    ) -> None:
        """Answer until SIGTERM or SIGINT; `started` is called when changes of the models' paths are seen."""
        follower = None
        if self.follow is not None:
            follower = Follower(
                app.models, self.follow, lambda said: print(said, file=sys.stderr, flush=True)
            )
            follower.start()
        try:
            if started is not None:
                started()
            run(
                app,
                listening,
                certificate=self.certificate,
                key=self.key,
                siblings=siblings,
            )
        finally:
            if follower is not None:
                follower.stop()


def work(document: str, channel: int, listening: int) -> int:
    """Serve, as a process that `scalable.serve.workers.Workers` started; return the exit code.

    Parameters
    ----------
    document : str
        A `Job` as JSON.
    channel, listening : int
        File descriptors of the sockets.
    """
    parent, made = socket.socket(fileno=channel), socket.socket(fileno=listening)
    job = Job(**json.loads(document))
    siblings = Siblings(parent)
    try:
        app = job.app(Models(job.models), siblings)
    except (ScalableError, OSError) as error:
        parent.sendall(line({"failed": str(error)}))
        return 1
    job.serve(app, made, siblings)
    return 0
