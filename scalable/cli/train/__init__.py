"""Commands that fit and score models."""
