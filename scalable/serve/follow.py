"""Following the models' paths: what is put in a model's place is served from then on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalable.errors import ModelError, ScalableError
from scalable.registry.address import model_path
from scalable.serve.models import Models, open_model
from scalable.storage.files import store_of
from scalable.storage.places import files_below


def _signature(path: Path) -> Any:
    """Return what changes with a model's files, None while there is none; links and aliases are followed."""
    try:
        place = model_path(path).resolve(strict=True)
        files = list(files_below(place).values()) or [place]
        return [(str(file), store_of(file).version(file)) for file in files]
    except (OSError, ModelError):
        return None


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
        self._seen = {one.name: _signature(one.path) for one in models.all}

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
            found = _signature(before.path)
            if found is None or found == self._seen[before.name]:
                continue
            try:
                served = open_model(before.name, before.path)
            except (ScalableError, OSError) as error:
                if _signature(before.path) == found:  # else it is looked at again
                    self._seen[before.name] = found
                    self._say(f"{before.name}: {error}; version {before.version} goes on")
                continue
            # Taken before loading: files that changed meanwhile are loaded again.
            self._seen[before.name] = found
            if served.version != before.version:
                self._models.replace(served)
                self._say(f"{before.name}: version {served.version} after {before.version}")
