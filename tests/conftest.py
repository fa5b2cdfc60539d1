"""Settings of the whole suite."""

from hypothesis import settings

# The first example of a test compiles kernels; timings are never asserted here.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
