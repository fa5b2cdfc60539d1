"""What a dataset looks like."""
