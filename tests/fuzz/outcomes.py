"""What can come of a mutant."""

ACCEPTED = "accepted"
REFUSED = "refused"
DIFFERENT = "different"  # from pyarrow, which accepts it
# Damaged where nothing says so: one release of zstd makes other bytes of it, or refuses it.
UNDECIDED = "undecided"
ALONE = "accepted here, refused by pyarrow"
ERROR = "error"  # an exception that is none of ours
CRASH = "crash"
HANG = "hang"
MEMORY = "memory"
FAULTS = (DIFFERENT, ALONE, ERROR, CRASH, HANG, MEMORY)
