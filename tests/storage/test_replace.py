"""The one atomic write: whole or not at all, whatever happens meanwhile and however many write."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scalable.storage import replace
from scalable.storage.places import remove_tree
from scalable.storage.replace import (
    check_writable,
    remove_scratch,
    replacing,
    replacing_directory,
    write_text,
)


def test_where_nothing_can_be_written_is_told_before(tmp_path):
    check_writable(tmp_path / "deep" / "model")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError):
        check_writable(tmp_path / "file" / "model")


def test_a_file_is_replaced_whole_and_nothing_is_left(tmp_path):
    path = tmp_path / "new" / "a.json"
    with pytest.raises(FileNotFoundError):
        write_text(path, "")
    path.parent.mkdir()
    write_text(path, "eins")
    write_text(path, "zw\u00f6i")
    assert path.read_bytes() == "zw\u00f6i".encode()
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.parametrize("durable", [True, False])
def test_what_fails_on_the_way_leaves_what_was_there(tmp_path, durable):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail_at_a_file():
        with replacing(path, durable=durable) as file:
            file.write(b"half")
            assert path.read_bytes() == b"old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_at_a_file()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d/part").write_bytes(b"old")

    def fail_at_a_directory():
        with replacing_directory(tmp_path / "d", ("part",)) as place:
            (place / "part").write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_at_a_directory()
    assert (tmp_path / "d/part").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a", "d"]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_permissions_are_those_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a", "")
        with replacing_directory(tmp_path / "d", ("part",)) as place:
            (place / "part").write_bytes(b"")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "d", "d/part")]
    assert modes == [0o666 & ~umask, 0o777 & ~umask, 0o666 & ~umask]


@pytest.mark.parametrize("swap", [True, False])
def test_three_writers_of_one_path_never_publish_anything_but_a_whole(tmp_path, monkeypatch, swap):
    if not swap:
        monkeypatch.setattr(replace, "_exchange", lambda one, other: False)
    file, directory = tmp_path / "a", tmp_path / "d"
    wholes = [bytes([65 + k]) * 200_000 for k in range(3)]
    failed = []

    def write(whole):
        try:
            for _ in range(15):
                with replacing(file, durable=False) as out:
                    out.write(whole[:100_000])
                    out.write(whole[100_000:])
                with replacing_directory(directory, ("one", "two")) as place:
                    (place / "one").write_bytes(whole)
                    (place / "two").write_bytes(whole)
                found = file.read_bytes()
                assert found in wholes
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(whole,)) for whole in wholes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (directory / "one").read_bytes() == (directory / "two").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a", "d"]


def test_a_directory_that_is_set_aside_while_it_is_looked_at_holds_nothing(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    listdir = os.listdir

    def gone(path):
        if path == tmp_path / "d":
            path.rmdir()
        return listdir(path)

    monkeypatch.setattr(os, "listdir", gone)
    assert replace.foreign_name(tmp_path / "d", ()) is None


def test_a_directory_that_cannot_be_placed_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(replace, "_exchange", lambda one, other: False)
    target = tmp_path / "d"
    with replacing_directory(target, ("part",)) as place:
        (place / "part").write_bytes(b"old")
    rename = type(target).rename

    def refuse(self, other):
        if other == target and (self / "part").read_bytes() == b"new":
            raise OSError(errno.ENOTEMPTY if target.exists() else errno.EACCES, "refused")
        return rename(self, other)

    monkeypatch.setattr(type(target), "rename", refuse)
    with pytest.raises(OSError, match="refused"), replacing_directory(target, ("part",)) as place:
        (place / "part").write_bytes(b"new")
    assert (target / "part").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["d"]


def test_what_killed_writers_left_is_removed_by_age(tmp_path):
    (tmp_path / ".a.0123456789ab.tmp").write_bytes(b"")
    (tmp_path / ".d.0123456789ab.tmp").mkdir()
    (tmp_path / "a.tmp").write_bytes(b"")
    remove_scratch(tmp_path, 3600.0)
    assert len(os.listdir(tmp_path)) == 3
    remove_scratch(tmp_path)
    assert os.listdir(tmp_path) == ["a.tmp"]


def test_a_killed_writer_s_directory_is_removed_by_the_next_and_a_living_one_s_is_not(tmp_path):
    code = """
import sys, time
from scalable.storage.replace import replacing_directory
with replacing_directory(sys.argv[1], ("part",)) as place:
    (place / "part").write_bytes(b"half")
    print(place, flush=True)
    time.sleep(600)
"""
    target = tmp_path / "d[1]"
    other = tmp_path / ".d[1].x.0123456789ab.tmp"
    other.mkdir()
    writer = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE, text=True)
    half = Path(writer.stdout.readline().strip())
    for alive in (True, False):
        if not alive:
            writer.kill()
            writer.wait()
        with replacing_directory(target, ("part",)) as place:
            (place / "part").write_bytes(b"new")
        assert half.exists() is alive
    writer.stdout.close()
    assert sorted(os.listdir(tmp_path)) == sorted([target.name, other.name])
    assert os.listdir(target) == ["part"]


def test_a_directory_whose_removal_is_broken_off_is_gone_by_its_name(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a").write_text("1")

    def broken(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", broken)
    with pytest.raises(KeyboardInterrupt):
        remove_tree(kept)
    assert not kept.exists()
    monkeypatch.undo()
    remove_tree(kept)  # nothing there


def test_what_is_not_ours_is_neither_replaced_nor_removed(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/part").write_text("old")
    (tmp_path / "d/.part.0123456789ab.tmp").write_text("of a killed writer")
    (tmp_path / "d/notes").mkdir()
    unsaid = replacing_directory(tmp_path / "d", ("part",))
    with pytest.raises(FileExistsError, match="'notes' in it would be lost"), unsaid:
        raise AssertionError
    (tmp_path / "d/notes").rmdir()
    with replacing_directory(tmp_path / "d", ("part",)) as place:
        (place / "part").write_text("new")
    assert os.listdir(tmp_path / "d") == ["part"]
    remove_tree(tmp_path / "d" / "part")  # a file
    assert os.listdir(tmp_path / "d") == ["part"]


def test_hidden_files_of_others_are_not_taken_for_ours(tmp_path):
    theirs = [".a.tmp", ".tmp", ".a.0123.tmp", ".a.0123456789AB.tmp", "a.0123456789ab.tmp"]
    for name in theirs:
        (tmp_path / name).write_text("")
    (tmp_path / ".0123456789abcdef.tmp").mkdir()  # as numbered ones are called
    remove_scratch(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(theirs)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path, there):
    (tmp_path / "far").mkdir()
    (tmp_path / "a").symlink_to("far/a")
    (tmp_path / "d").symlink_to("far/d")
    for _ in range(1 + there):
        write_text(tmp_path / "a", "new")
        with replacing_directory(tmp_path / "d", ("part",)) as place:
            (place / "part").write_text("new")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "d").is_symlink()
    assert (tmp_path / "far/a").read_text() == (tmp_path / "far/d/part").read_text() == "new"
    remove_tree(tmp_path / "d")
    assert (tmp_path / "d").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a", "d", "far"]
    assert os.listdir(tmp_path / "far") == ["a"]
