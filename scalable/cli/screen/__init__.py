"""What the terminal shows while commands run, fail or are interrupted."""
