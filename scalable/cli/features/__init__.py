"""Commands of features with time."""
