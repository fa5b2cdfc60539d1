"""Commands that watch models."""
