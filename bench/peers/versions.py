"""Versions of what contenders are made of."""

from __future__ import annotations

from importlib import metadata


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of distributions that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
