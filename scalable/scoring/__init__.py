"""Predict and evaluate files, shard by shard."""
