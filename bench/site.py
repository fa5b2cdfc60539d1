"""The pages of docs/ as a site with an API reference made from docstrings; nothing is fetched, to build or to read it.

``python -m bench.site`` stages the pages in ``build/site-pages`` and builds ``build/site`` from them by mkdocs: a
warning is a failure. Needs the extra ``docs``.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.links import FENCED, ROOT

AROUND = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")  # pages beside docs/
PACKAGES = {
    "scalable": "sources",
    "scalable.linear": "linear learners",
    "scalable.boosting": "boosting",
    "scalable.bayes": "naive Bayes and posteriors",
    "scalable.kernel_approximation": "kernel features",
    "scalable.decomposition": "components",
    "scalable.mixture": "clusters and mixtures",
    "scalable.inference": "predictors",
    "scalable.evaluate": "metrics",
    "scalable.feature_store": "features with time",
    "scalable.registry": "versions of models",
    "scalable.monitor": "drift and alarms",
    "data_gen": "synthetic data",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def public(package: str) -> list[tuple[str, Any]]:
    """Return the public classes and functions of a package with their names, in order."""
    module = import_module(package)
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    found = [(name, getattr(module, name)) for name in sorted(names)]
    ours = package.partition(".")[0]
    return [
        (name, value)
        for name, value in found
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith(ours)
    ]


def reference(package: str, about: str) -> str:
    """Return the page of a package: a block a public name, which mkdocstrings fills from where it is defined."""
    blocks = [
        f"## {name}\n\n::: {value.__module__}.{value.__qualname__}\n" for name, value in public(package)
    ]
    return f"# `{package}`: {about}\n\n" + "\n".join(blocks)


def relinked(text: str, page: Path, staged: Path) -> str:
    """Return a page whose links lead to staged pages; what the site does not hold is named without a link."""

    def one(found: re.Match[str]) -> str:
        sign, words, target = found.groups()
        path, _, place = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return found[0]
        there = (page.parent / path).resolve().relative_to(ROOT)
        if there == Path("docs"):
            there = Path("docs/README.md")
        if there.parts[0] == "docs":
            new = Path(*there.parts[1:])
        elif str(there) in AROUND:
            new = Path("project") / there
        else:
            return words
        steps = "../" * (len(staged.parts) - 1)
        return f"{sign}[{words}]({steps}{new}{'#' + place if place else ''})"

    parts, at = [], 0
    for fence in FENCED.finditer(text):
        parts += [LINK.sub(one, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(one, text[at:])])


def stage(folder: Path) -> None:
    """Write all pages, pictures and records of the site."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    pages = {ROOT / name: Path("project") / name for name in AROUND}
    pages |= {page: page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")}
    for page, staged in pages.items():
        target = folder / staged
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relinked(page.read_text("utf-8"), page, staged), "utf-8")
    (folder / "api").mkdir()
    for package, about in PACKAGES.items():
        (folder / "api" / f"{package}.md").write_text(reference(package, about), "utf-8")


def main() -> int:
    """Stage and build."""
    stage(ROOT / "build" / "site-pages")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
