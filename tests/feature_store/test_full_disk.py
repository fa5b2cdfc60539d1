"""A full disk is one line and no dead process: LMDB maps the places of its readers, in a file of holes."""

import os

import numpy as np
import pytest

from scalable.errors import DataError
from scalable.feature_store import OnlineStore, materialize
from scalable.feature_store.online import store
from tests.feature_store.examples import random_events, write


def test_the_places_of_readers_have_room(tmp_path):
    path, place = write(tmp_path, random_events(np.random.default_rng(0), 90, 5)), tmp_path / "store"
    materialize(path, place)
    locks = os.stat(place / store.LOCKS)
    assert locks.st_size == store.LOCK_BYTES
    assert 512 * locks.st_blocks >= locks.st_size


def test_where_there_is_none_the_store_is_not_opened(tmp_path, monkeypatch):
    path, place = write(tmp_path, random_events(np.random.default_rng(0), 90, 5)), tmp_path / "store"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"cannot be opened .*No space left.*give it room"):
        OnlineStore(path, place, create=True)
    monkeypatch.undo()
    materialize(path, place)


def test_file_systems_that_reserve_nothing_are_taken_as_they_are(tmp_path, monkeypatch):
    path, place = write(tmp_path, random_events(np.random.default_rng(0), 90, 5)), tmp_path / "store"

    def unknown(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    materialize(path, place)
