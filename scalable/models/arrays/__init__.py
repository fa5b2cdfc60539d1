"""Models that are a few arrays, and how these are learned: with a target in one pass, or without."""
