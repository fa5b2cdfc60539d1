"""``registry:NAME@ALIAS``: models of a registry wherever a model's path is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scalable.errors import UsageError
from scalable.registry.names import LATEST, check_alias, check_name
from scalable.registry.registry import Registry
from scalable.storage.places import place

SCHEME = "registry:"
VARIABLE, DEFAULT = "SCALABLE_REGISTRY", "registry"


@dataclass(frozen=True, slots=True)
class Address:
    """A version of a model in a registry.

    Attributes
    ----------
    registry : str
        Directory or ``s3://`` prefix.
    name : str
    which : str
        A number, an alias, or ``latest``.
    """

    registry: str
    name: str
    which: str

    def find(self) -> tuple[int, Path]:
        """Return number and path of the model; raises ModelError where there is none or it is not whole."""
        return Registry(self.registry).model(self.name, self.which)


def registry_path(given: str | os.PathLike[str] | None = None) -> str:
    """Return the directory of the registry: as given, as the environment says, or ``registry``."""
    return os.fspath(given) if given is not None else os.environ.get(VARIABLE) or DEFAULT


def parse_address(path: str | os.PathLike[str]) -> Address | None:
    """Return what ``registry:[DIR/]NAME@WHICH`` says; None for any other path.

    Raises
    ------
    UsageError
        It begins so and goes on otherwise.
    """
    text = os.fspath(path)
    if not text.startswith(SCHEME):
        return None
    directory, _, reference = text.removeprefix(SCHEME).rpartition("/")
    name, sign, which = reference.partition("@")
    check_name(name)
    if not sign or not which:
        raise UsageError(f"{text}: say which version, as {SCHEME}{name}@production, @7 or @{LATEST}")
    if which != LATEST and not which.isdecimal():
        check_alias(which)
    return Address(registry_path(directory or None), name, which)


def moves(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is an address that can come to mean another version."""
    address = parse_address(path)
    return address is not None and not address.which.isdecimal()


def model_path(path: str | os.PathLike[str]) -> Path:
    """Return where a model lies: that of a registry's address, any other path as it is.

    Raises
    ------
    UsageError, ModelError
        As `parse_address` and `Address.find`.
    """
    address = parse_address(path)
    return place(path) if address is None else address.find()[1]
