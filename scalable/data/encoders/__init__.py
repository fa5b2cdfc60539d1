"""What turns decoded columns into what a learner takes; learned once, saved with the model."""
