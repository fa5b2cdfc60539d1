"""Following the models' paths: what is put in a model's place is served from then on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from scalable.errors import ScalableError
from scalable.serve.models import Models, open_model, state_of


class Follower(threading.Thread):
    """Looks at the paths of models again and again.

    A model that cannot be loaded, such as one that is still being copied, changes nothing; it is tried again when its
    files change.

    Parameters
    ----------
    models : Models
    seconds : float
        Between two looks.
    say : callable
        Takes one line about each change.
    """

    def __init__(self, models: Models, seconds: float, say: Callable[[str], None]) -> None:
        super().__init__(name="follower", daemon=True)
        self._models, self._seconds, self._say = models, seconds, say
        self._done = threading.Event()
        self._refused: dict[str, Any] = {}  # states of models that could not be loaded

    def stop(self) -> None:
        """Look no more, and wait for a look that is under way."""
        self._done.set()
        self.join()

    def run(self) -> None:
        """Look until stopped."""
        while not self._done.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Load each model whose files changed since the last look."""
        for before in self._models.all:
            found = state_of(before.path)
            if found is None or found in (before.state, self._refused.get(before.name)):
                continue
            try:
                served = open_model(before.name, before.path)
            except (ScalableError, OSError, MemoryError) as error:
                if state_of(before.path) == found:  # else it is looked at again
                    self._refused[before.name] = found
                    self._say(f"{before.name}: {error}; version {before.version} goes on")
                continue
            self._models.replace(served)
            if served.version != before.version:
                self._say(f"{before.name}: version {served.version} after {before.version}")
