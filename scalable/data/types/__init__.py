"""What the values of columns mean."""
