"""System design."""
