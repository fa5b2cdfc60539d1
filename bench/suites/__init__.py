"""asv suites (the ``benchmark_dir``)."""

from contextlib import suppress

with suppress(ImportError, AttributeError):  # a commit from before it, or an environment that lacks a package
    from scalable.data.readers.pages import CODED

    CODED.patience = 0  # the decoder is what is measured, not what stands in until it is compiled
