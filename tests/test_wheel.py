"""What is installed works outside the repository: a wheel in a fresh environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import scalable

ROOT = Path(__file__).resolve().parents[1]


def run(*words: object, **options: object) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def test_versions_agree() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["version"] == scalable.__version__
    assert f"version: {scalable.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {scalable.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    files = run("git", "-C", ROOT, "ls-files").splitlines()
    for name in files:
        if not name.startswith(("docs/", "tests/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, ROOT / ".ci" / "wheel.py", folder, "newton")
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_all_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert sum(name.startswith("scalable/kernels/shipped/") for name in names) > 20
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"scalable", "data_gen", "bench"}
    for package in ("scalable", "data_gen"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in {".py", ".j2", ".css", ".js", ".typed"}:
                assert str(path.relative_to(ROOT)) in names


def environment(folder: Path) -> tuple[Path, Path]:
    """A fresh environment, and where it keeps its packages."""
    home = folder / "env"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python3*/site-packages")
    return home, site


@pytest.mark.slow
def test_type_checkers_see_an_editable_install(sources: Path, tmp_path: Path) -> None:
    home, _ = environment(tmp_path)
    run(sys.executable, "-m", "pip", "--python", home, "install", "-q", "--no-deps", "-e", sources)
    program = "from scalable import ParquetSource\nreveal_type(ParquetSource('folder').n_rows)\n"
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    words = (sys.executable, "-m", "mypy", "--python-executable", home / "bin" / "python", "program.py")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'Revealed type is "int"' in done.stdout.replace("builtins.", ""), done.stdout


NEWTON = """
from pathlib import Path
from scalable.cli.serve.warm_jobs import newton
from scalable.kernels.compilation.pipeline import KernelCompiler
compiled, define = [], KernelCompiler.define_pipelines
KernelCompiler.define_pipelines = lambda self: compiled.append(self.state.func_id.func_name) or define(self)
newton(Path())
print(len(compiled), "compiled", *compiled)
"""


@pytest.mark.slow
def test_the_wheel_works_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    home, site = environment(tmp_path)
    (site / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n" + "\n".join(sys.path[1:]) + "\n"
    )
    words = ("install", "--quiet", "--no-deps", "--target", site, wheel)
    run(sys.executable, "-m", "pip", *words)
    python, work = home / "bin" / "python", tmp_path / "work"
    work.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    script = "import scalable, data_gen; print(scalable.__file__, data_gen.__file__)"
    where = run(python, "-c", script, cwd=work, env=env)
    assert where.count(str(site)) == 2
    # What the wheel brings is optimised for this processor, and nothing is compiled from the beginning.
    cold = env | {"SCALABLE_CACHE_DIR": str(tmp_path / "cache")}
    assert run(python, "-c", NEWTON, cwd=work, env=cold) == "0 compiled\n"
    cli = (python, "-c", "from scalable.cli import main; main()")
    assert run(*cli, "-V", cwd=work, env=env) == f"scalable {scalable.__version__}\n"
    for line in (
        "generate fraud --rows 20k --out data",
        "describe data",
        "train logistic data --target is_fraud --model line.model",
        "train lightgbm data --target is_fraud --model forest.model --n-estimators 3 --workers 2",
        "evaluate forest.model data --target is_fraud --json e.json",
        "predict line.model data --out scored",
        "report e.json --out page.html",
    ):
        run(*cli, *line.split(), cwd=work, env=env)
