"""What is put behind a trained model, learned from rows held out: intervals, sets, and probabilities that come true."""
