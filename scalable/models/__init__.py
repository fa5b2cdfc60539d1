"""What a learner saves, and what reads it back."""
