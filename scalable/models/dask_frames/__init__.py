"""Dask DataFrames: written to Parquet once to be learned from, predicted lazily."""
