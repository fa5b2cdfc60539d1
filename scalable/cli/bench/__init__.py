"""Commands that compare and report."""
