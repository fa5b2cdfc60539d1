"""The boosting loop: metrics, early stopping, checkpoints, rotation."""
