"""A billion rows on one small machine: every stage through the command line, timed, watched, resumable."""
