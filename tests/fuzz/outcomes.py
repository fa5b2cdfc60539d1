"""What can come of a mutant."""

ACCEPTED = "accepted"
REFUSED = "refused"
DIFFERENT = "different"  # from pyarrow, which accepts it
UNDECIDED = "undecided"  # damaged where nothing says so: releases of zstd make other bytes of it
ALONE = "accepted here, refused by pyarrow"
ERROR = "error"  # an exception that is none of ours
CRASH = "crash"
HANG = "hang"
MEMORY = "memory"
FAULTS = (DIFFERENT, ALONE, ERROR, CRASH, HANG, MEMORY)
