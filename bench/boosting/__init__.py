"""Sections of ``python -m bench.boosting_numbers``."""
