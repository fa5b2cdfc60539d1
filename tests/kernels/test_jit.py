import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
import zlib
from pathlib import Path

import pytest

from scalable.kernels.compilation import cache_files, sources
from scalable.kernels.jit import cache_root, source_key

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path):
    """A project of its own: the real jit.py, a kernel that inlines another file's function."""
    package = tmp_path / "scalable" / "kernels"
    package.mkdir(parents=True)
    (tmp_path / "scalable" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    shutil.copy(ROOT / "scalable" / "kernels" / "jit.py", package)
    shutil.copytree(ROOT / "scalable" / "kernels" / "compilation", package / "compilation")
    (package / "inner.py").write_text(
        "from scalable.kernels.jit import kernel\n\n@kernel(inline=True)\ndef add(x):\n    return x + 1\n"
    )
    (package / "outer.py").write_text(
        "from scalable.kernels import (\n    inner as callee,\n)\nfrom scalable.kernels.jit import kernel\n\n"
        "@kernel()\ndef run(x):\n    return callee.add(x)\n"
    )
    return tmp_path


# Its children have loaded Numba and what compilation needs, most of what a small kernel costs, and nothing of ours.
PARENT = """
import gc, numba, os, sys, traceback
numba.njit(lambda x: x + 1)(1), gc.freeze()
assert not [name for name in sys.modules if name.startswith("scalable")]
for line in sys.stdin:
    project, code, out, err = eval(line)
    child = os.fork()
    if not child:
        for stream, file in ((1, out), (2, err)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
        os.chdir(project)
        sys.path.insert(0, project)
        os.environ["SCALABLE_CACHE_DIR"] = os.path.join(project, "cache")
        try:
            exec(code, {"__name__": "__main__"})
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
# Python's bytecode goes by a file's time, which a test sets back.
COMMAND = [sys.executable, "-B", "-W", "error", "-c"]


@pytest.fixture(scope="module")
def parent():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*COMMAND, PARENT], cwd="/", **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run_in(parent, tmp_path):
    """Run code in a process of its own with the project's `scalable`; return the words that it printed."""

    def run(project, code):
        out, err = tmp_path / "out", tmp_path / "err"
        parent.stdin.write(repr((str(project), textwrap.dedent(code), str(out), str(err))) + "\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "0\n", err.read_text()
        return out.read_text().split()

    return run


RUN = """
    from scalable.kernels.outer import run
    print(run(1), sum(run.stats.cache_hits.values()))
"""


def test_a_second_process_loads_the_compiled_kernel_and_nothing_that_only_compilation_needs(project):
    code = textwrap.dedent(RUN + "\n    import sys; print('numba.np.arraymath' in sys.modules)\n")
    env = {**os.environ, "SCALABLE_CACHE_DIR": str(project / "cache")}
    for words in (["2", "0", "True"], ["2", "1", "False"]):
        assert subprocess.check_output([*COMMAND, code], cwd=project, env=env, text=True).split() == words


def test_a_changed_callee_in_another_file_is_compiled_anew(project, run_in):
    assert run_in(project, RUN) == ["2", "0"]
    inner = project / "scalable" / "kernels" / "inner.py"
    times = inner.stat()
    inner.write_text(inner.read_text().replace("x + 1", "x + 5"))
    os.utime(inner, ns=(times.st_atime_ns, times.st_mtime_ns))  # the file's time says nothing
    assert run_in(project, RUN) == ["6", "0"]
    inner.write_text(inner.read_text().replace("x + 5", "x + 1"))
    assert run_in(project, RUN) == ["2", "1"]  # going back finds the old one


SHIPPED = """
    import hashlib, os
    {before}
    from scalable.kernels.compilation.pipeline import KernelCompiler
    from scalable.kernels.outer import run
    compiled, define = [], KernelCompiler.define_pipelines
    KernelCompiler.define_pipelines = lambda self: compiled.append(1) or define(self)
    answer = run(2.5)
    (form,) = run.overloads.values()
    print(answer, len(compiled), hashlib.sha256(form.library._compiled_object or b'').hexdigest())
"""


def test_a_shipped_kernel_is_what_compiling_makes_and_is_kept(project, run_in):
    cache, home = project / "cache", project / "scalable" / "kernels" / "shipped"
    made = run_in(project, SHIPPED.format(before="os.environ['SCALABLE_SHIP_KERNELS'] = '1'"))
    assert made[:2] == ["3.5", "2"]  # it, and what it calls
    (file,) = home.iterdir()
    shutil.rmtree(cache)
    plain = SHIPPED.format(before="")
    assert run_in(project, plain) == ["3.5", "0", made[2]]
    packed = file.read_bytes()
    file.write_bytes(packed[:-20])  # kept: nobody asks for the file again
    assert run_in(project, plain)[:2] == ["3.5", "0"]
    shutil.rmtree(cache)
    assert run_in(project, plain)[:2] == ["3.5", "2"]  # damaged
    file.write_bytes(zlib.compress(b"no pickle"))
    shutil.rmtree(cache)
    assert run_in(project, plain)[:2] == ["3.5", "2"]
    file.write_bytes(packed)
    checked = SHIPPED.format(before="import numba; numba.config.BOUNDSCHECK = 1")
    assert run_in(project, checked)[:2] == ["3.5", "2"]  # neither shipped nor kept code checks bounds
    assert run_in(project, checked)[:2] == ["3.5", "0"]
    file.write_bytes(packed)
    shutil.rmtree(cache)
    inner = project / "scalable" / "kernels" / "inner.py"
    inner.write_text(inner.read_text().replace("x + 1", "x + 5"))
    assert run_in(project, plain)[:2] == ["7.5", "2"]  # of another source


def test_what_kernels_ask_of_the_processor_is_asked_in_the_one_form_that_keys_see():
    for path in [*ROOT.glob("scalable/**/*.py"), *ROOT.glob("data_gen/**/*.py")]:
        if path.name != "sources.py":
            text = path.read_text()
            assert text.count("get_host_cpu_features") == len(sources.ASKED.findall(text)), path


def root_of(monkeypatch, home, temporary):
    """Where a process with these settings keeps its kernels."""
    monkeypatch.setenv("SCALABLE_CACHE_DIR", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return str(cache_root.__wrapped__())


def test_a_place_that_cannot_be_written_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    found = root_of(monkeypatch, tmp_path / "file", tmp_path)
    assert found == str(tmp_path / f"scalable-training-{os.getuid()}")
    assert os.stat(found).st_mode & 0o077 == 0
    os.chmod(found, 0o777)  # anyone may have put code there
    assert root_of(monkeypatch, tmp_path / "file", tmp_path) != found


def test_damaged_entries_are_dropped_and_compiled_again(project, run_in):
    run_in(project, RUN)
    for entry in (project / "cache").rglob("*outer.run*.nbc"):
        entry.write_bytes(entry.read_bytes()[:-100])
    assert run_in(project, RUN) == ["2", "0"]
    for entry in (project / "cache").rglob("*outer.run*.nbi"):
        entry.write_bytes(b"")
    assert run_in(project, RUN) == ["2", "0"]
    assert run_in(project, RUN) == ["2", "1"]  # and kept


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-1],
    "garbled": lambda content: content[:9] + bytes([content[9] ^ 1]) + content[10:],
    "bytes before": lambda content: b"x" + content,
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_every_damage_is_noticed_before_anything_is_unpickled(tmp_path, suffix, damage):
    file = cache_files.SealedCacheFile(str(tmp_path), "f", "stamp")
    file.save("key", {"a": 1})
    assert file.load("key") == {"a": 1}
    assert file.load("other") is None
    (entry,) = tmp_path.glob(f"*{suffix}")
    entry.write_bytes(damage(entry.read_bytes()))
    assert file.load("key") is None
    assert not entry.exists()
    file.save("key", {"a": 2})
    assert file.load("key") == {"a": 2}


def test_only_this_user_can_write_kernels_whatever_the_umask(project, run_in):
    run_in(project, "import os; os.umask(0)\n" + textwrap.dedent(RUN))
    places = [place for place in [project / "cache", *(project / "cache").rglob("*")] if place.is_dir()]
    assert len(places) == 4  # two sources
    assert all(place.stat().st_mode & 0o077 == 0 for place in places)


@pytest.mark.parametrize("above", [False, True], ids=["the place", "a directory above it"])
def test_kernels_are_not_loaded_from_where_others_can_write(project, monkeypatch, above):
    home = project / "cache"
    usual, other = str(home / "kernels"), str(project / f"scalable-training-{os.getuid()}")
    assert root_of(monkeypatch, home, project) == usual
    place = home / ("" if above else "kernels")
    place.chmod(0o777)
    with pytest.warns(UserWarning, match="others can write there"):
        assert root_of(monkeypatch, home, project) == other
    place.chmod(0o1777)  # others may put files there, but not take ours away
    if above:
        assert root_of(monkeypatch, home, project) == usual


def test_a_group_of_many_is_not_trusted(tmp_path, monkeypatch):
    tmp_path.chmod(0o770)
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(tmp_path.stat().st_gid)
    for name, members, trusted in (
        (user, [], True),
        (user, [user], True),
        (user, ["eve"], False),
        ("users", [], False),
    ):
        made = grp.struct_group((name, "x", group.gr_gid, members))
        monkeypatch.setattr(cache_files.grp, "getgrgid", lambda number, made=made: made)
        assert cache_files.is_private(tmp_path) == trusted


IMPORTS = {
    "import scalable.kernels.a": {"a"},
    "import os, scalable.kernels.a, scalable.kernels.b as c": {"a", "b"},
    "from scalable.kernels.a import f": {"a"},
    "from scalable.kernels import a, b as c": {"a", "b", "__init__"},
    "from scalable.kernels import (\n    a,\n    b,\n)": {"a", "b", "__init__"},
    "def f():\n    from scalable.kernels.a import g\n": {"a"},
    "from scalable.kernels import (  # noqa: X1, X2\n    a,  # first, of two\n    b as c,\n)": {
        *"ab",
        "__init__",
    },
    "import numpy\nfrom numba import njit\n": set(),
    "# from scalable.kernels import a\nx = 'import scalable.kernels.b'\n": set(),
}


@pytest.mark.parametrize("text", IMPORTS)
def test_imports_are_found_however_they_are_written(tmp_path, monkeypatch, text):
    package = tmp_path / "scalable" / "kernels"
    package.mkdir(parents=True)
    for name in ("__init__", "a", "b"):
        (package / f"{name}.py").write_text("")
    monkeypatch.setattr(sources, "_ROOT", tmp_path)
    file = tmp_path / "k.py"
    file.write_text(text)
    assert {found.stem for found in map(Path, sources._imported_files(str(file)))} == IMPORTS[text]


def test_keys_differ_between_files_and_are_stable():
    kernels = ROOT / "scalable" / "kernels"
    keys = {source_key(kernels / name) for name in ("jit.py", "metrics.py")}
    assert len(keys) == 2
    assert all(len(key) == 16 for key in keys)
    assert cache_root() == cache_root()


def test_an_inlined_kernel_answers_python_and_kernels(project, run_in):
    code = """
        from scalable.kernels.inner import add
        from scalable.kernels.outer import run
        print(add(1), run(1), add(2.5), run(2.5))
    """
    assert run_in(project, code) == ["2", "2", "3.5", "3.5"]
    assert run_in(project, code) == ["2", "2", "3.5", "3.5"]  # both forms from the cache


def test_what_kernels_call_is_compiled_once_for_all_numbers_and_finished_in_its_caller(project, run_in):
    outer = project / "scalable" / "kernels" / "outer.py"
    outer.write_text(outer.read_text() + "\n\n@kernel()\ndef twice(x):\n    return run(x) + run(3)\n")
    code = """
        from scalable.kernels.inner import add
        from scalable.kernels.outer import run, twice
        print(twice(1), *(len(each.signatures) for each in (add, add.linked, run, run.linked)))
        print(add(1), run(2.5))
    """
    assert run_in(project, code) == ["6", "0", "1", "0", "1", "2", "3.5"]
    assert run_in(project, code) == ["6", "0", "0", "0", "0", "2", "3.5"]  # twice() was kept whole
    outer.write_text(
        outer.read_text() + "\n\n@kernel()\ndef thrice(x):\n    return twice(x) + callee.add(x)\n"
    )
    assert run_in(project, "from scalable.kernels.outer import thrice; print(thrice(1))") == ["8"]


CHECKED = """
from scalable.kernels.jit import kernel


@kernel()
def positive(x):
    if x < 0:
        raise ValueError("below zero")
    return x


@kernel()
def both(x):
    return positive(x) + positive(-x)
"""


def test_errors_of_linked_kernels_are_raised(project, run_in):
    (project / "scalable" / "kernels" / "checked.py").write_text(CHECKED)
    code = """
        from scalable.kernels.checked import both
        try:
            both(1)
        except ValueError as error:
            print(str(error).replace(" ", "_"), both(0))
    """
    assert run_in(project, code) == ["below_zero", "0"]
    assert run_in(project, code) == ["below_zero", "0"]  # from the cache
