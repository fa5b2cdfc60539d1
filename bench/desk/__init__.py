"""A fraud desk in miniature: the parts of the package, replayed day by day through drift, retraining and rollback."""
