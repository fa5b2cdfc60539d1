"""Files: one atomic write."""
