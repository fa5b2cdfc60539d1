"""Shuffled, encoded mini-batches of Parquet that does not fit in memory, for whoever learns by steps."""
