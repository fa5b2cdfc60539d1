"""The bytes of a range of rows as a local file, whatever store keeps the file of the dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from scalable.data.footers import Footer
from scalable.data.readers.layout import RowGroup, file_metadata, row_groups
from scalable.storage.files import Range, Version, is_local, store_of


@contextmanager
def held(footer: Footer, names: Collection[str], start: int, stop: int) -> Iterator[Footer]:
    """Yield a footer whose `place` holds the columns of rows ``[start, stop)``, for readers of local files.

    Raises
    ------
    OSError
        When they cannot be had, or the file is another one now.
    """
    if is_local(footer.path):
        yield footer
        return
    with store_of(footer.path).local_copy(*wanted(footer, names, start, stop)) as place:
        yield replace(footer, place=place)


def expect_rows(footer: Footer, names: Collection[str], start: int, stop: int) -> None:
    """Begin to fetch what `held` will be asked for."""
    store_of(footer.path).expect(*wanted(footer, names, start, stop))


def wanted(
    footer: Footer, names: Collection[str], start: int, stop: int
) -> tuple[str, Version, tuple[int, int], list[Range]]:
    """Return path, version, part and ranges of a local copy that holds these rows."""
    groups = row_groups(footer, start, stop)
    metadata = file_metadata(footer.path, footer.version)[0]
    end = footer.version.size
    tail = (end - 8 - metadata.serialized_size, end)  # some readers want to see the footer themselves
    part = (groups[0].number, groups[-1].number)
    return footer.path, footer.version, part, [tail, *_chunks(groups, names)]


def _chunks(groups: Iterable[RowGroup], names: Collection[str]) -> Iterator[Range]:
    """Yield whole column chunks: most readers begin at their beginnings."""
    for group in groups:
        yield from map(tuple, group.spans(names).tolist())
