"""From raw columns to numbers: summaries, encoders, hashing."""
