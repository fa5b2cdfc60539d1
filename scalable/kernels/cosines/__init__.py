"""Features that are cosines along many directions, sixteen rows at a time in single precision."""
