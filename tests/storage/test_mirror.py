"""What is fetched of objects: once where there is room to keep it, ahead within a budget, and never more than that."""

import errno
import os
import tempfile
import threading
import time

import pytest

from scalable.storage import mirror, spare
from scalable.storage.files import Version, store_of

NOW = Version(100_000, "etag")
WHOLE = [(0, 50_000)]


class Fetched(list):
    """Fetches ranges whose bytes tell where they are, and notes which."""

    def __call__(self, key, wanted, put):
        self.append((key[0], wanted))
        for at in range(*wanted, 10_000):
            put(at, memoryview(bytes([at // 10_000]) * min(10_000, wanted[1] - at)))

    def __eq__(self, other):
        return list(self) == other


def key(k):
    return (f"s3://b/{k}", NOW, 0)


def settled(fetched, n):
    """Wait until so many ranges were fetched, and a little longer for any more."""
    deadline = time.monotonic() + 5
    while len(fetched) < n and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    return len(fetched)


def passes(mirrors, n, count=5):
    for _ in range(n):
        for k in range(count):
            with mirrors.hold(key(k), WHOLE) as place, open(place, "rb") as file:
                assert file.read(50_000) == b"".join(bytes([j]) * 10_000 for j in range(5))


@pytest.mark.parametrize(("room", "most"), [(10**6, 5), (150_000, 3 + 3 * 2), (0, 3 * 5)])
def test_what_there_is_room_for_is_fetched_once(room, most, monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 50_000)
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, room)
    passes(mirrors, 3)
    assert len(fetched) == most
    assert mirrors.n_bytes(kept=True) == min(room, 250_000)
    assert mirrors.n_bytes(kept=False) <= 50_000
    mirrors.forget()
    assert mirrors.n_bytes(kept=True) == mirrors.n_bytes(kept=False) == 0


@pytest.mark.parametrize("room", [10**6, 0])
def test_what_is_expected_comes_in_order_as_the_budget_has_room(room, monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 120_000)
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, room)
    for k in range(5):
        mirrors.expect(key(k), WHOLE)
    assert settled(fetched, 2) == 2
    with mirrors.hold(key(0), WHOLE):
        more = 3 if room else 2  # what is held counts where it takes memory
        assert settled(fetched, more) == more
    for k in range(1, 5):
        with mirrors.hold(key(k), WHOLE):
            pass
    assert sorted(path for path, _ in fetched) == [f"s3://b/{k}" for k in range(5)]


@pytest.mark.parametrize(("room", "ahead"), [(10**6, 1), (0, 0)])
def test_what_is_larger_than_the_budget_is_ahead_alone_and_never_in_memory(room, ahead, monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 40_000)
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, room)
    for k in range(3):
        mirrors.expect(key(k), WHOLE)
    assert settled(fetched, ahead) == ahead
    passes(mirrors, 1, 3)
    assert settled(fetched, 3) == 3


def test_nobody_waits_for_what_is_expected_no_more(monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 60_000)
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, 10**6)
    for k in range(5):
        mirrors.expect(key(k), WHOLE)
    mirrors.expect_no_more(["s3://b/1", "s3://b/2"])
    passes(mirrors, 1, 1)
    assert settled(fetched, 2) == 2
    assert fetched == [("s3://b/0", (0, 50_000)), ("s3://b/3", (0, 50_000))]


def test_what_nobody_came_for_does_not_stop_reading_ahead(monkeypatch):
    monkeypatch.setattr(mirror, "BUDGET_BYTES", 60_000)
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, 10**6)
    mirrors.expect(key(0), WHOLE)
    mirrors.expect(key(1), WHOLE)
    assert settled(fetched, 1) == 1
    monkeypatch.setattr(mirror, "AHEAD_SECONDS", 0)
    mirrors.expect(key(2), WHOLE)
    assert settled(fetched, 3) == 3


def test_what_was_idle_for_long_makes_room(monkeypatch):
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, 100_000)
    passes(mirrors, 1, 4)
    assert list(mirrors._kept) == [key(k)[:2] for k in range(2)]
    monkeypatch.setattr(mirror, "IDLE_SECONDS", 0)
    passes(mirrors, 1, 1)
    with mirrors.hold(key(9), WHOLE):
        assert mirrors.n_bytes(kept=True) == 100_000
    assert list(mirrors._kept) == [key(k)[:2] for k in (0, 9)]
    assert len(fetched) == 5


def test_parts_of_an_object_are_kept_together():
    fetched = Fetched()
    mirrors = mirror.Mirrors(fetched, 10**6)
    for part, ranges in ((0, [(0, 20_000)]), (1, [(0, 20_000), (20_000, 40_000)]), (2, [(20_000, 40_000)])):
        with mirrors.hold(("s3://b/0", NOW, part), ranges):
            pass
    assert fetched == [("s3://b/0", (0, 20_000)), ("s3://b/0", (20_000, 40_000))]


def test_a_disk_gives_room_for_ranges_alone_or_says_that_it_is_full(tmp_path, monkeypatch):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2**22)
        spare.allocate(file.fileno(), 5_000, 2**20)
        assert os.stat(file.fileno()).st_size == 2**22
        assert os.stat(file.fileno()).st_blocks * 512 < 2**21
    full = OSError(errno.ENOSPC, "no space left on device")
    monkeypatch.setattr(mirror, "allocate", lambda *_: (_ for _ in ()).throw(full))
    mirrors = mirror.Mirrors(Fetched(), 10**6)
    passes(mirrors, 2)
    assert mirrors.n_bytes(kept=True) == 0


def test_a_full_disk_is_no_error(monkeypatch):
    put = mirror.Mirror._put

    def full(self, at, data):
        if self.kept and at >= 20_000:
            raise OSError(errno.ENOSPC, "no space left on device")
        put(self, at, data)

    monkeypatch.setattr(mirror.Mirror, "_put", full)
    mirrors = mirror.Mirrors(Fetched(), 10**6)
    mirrors.expect(key(1), WHOLE)
    passes(mirrors, 2)
    assert mirrors.n_bytes(kept=True) == 0


def test_what_failed_ahead_is_asked_for_again():
    asked = []

    def fetch(key, wanted, put):
        asked.append(wanted)
        if len(asked) == 1:
            raise OSError("broke off")
        put(wanted[0], memoryview(bytes(wanted[1] - wanted[0])))

    mirrors = mirror.Mirrors(fetch, 10**6)
    mirrors.expect(key(0), WHOLE)
    assert settled(asked, 1) == 1
    with mirrors.hold(key(0), WHOLE) as place:
        assert os.path.getsize(place) == NOW.size
    assert asked == WHOLE * 2


def test_temporary_files_have_no_name_and_none_lie_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mirrors = mirror.Mirrors(Fetched(), 10**6)
    passes(mirrors, 1)
    assert not list(tmp_path.iterdir())
    assert spare.spare_page_cache() > 0
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    assert spare.spare_page_cache() == 0


def test_threads_share_what_is_fetched_and_failures_are_fetched_again():
    asked = []

    def fetch(key, wanted, put):
        asked.append(wanted)
        if len(asked) == 1:
            raise OSError("broke off")
        put(wanted[0], memoryview(bytes(range(wanted[0], wanted[1]))))

    kept = mirror.Mirrors(fetch)
    key = ("s3://b/k", store_of("x").version(__file__), 0)
    with pytest.raises(OSError, match="broke off"), kept.hold(key, [(0, 10)]):
        pass
    found = []

    def read():
        with kept.hold(key, [(0, 10), (20, 30)]) as place, open(place, "rb") as file:
            found.append(os.pread(file.fileno(), 30, 0))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [bytes(range(30))] * 8  # the gap is read across
    assert asked[1:] == [(0, 30)]
