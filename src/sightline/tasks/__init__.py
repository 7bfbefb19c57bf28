"""What to predict: loss and scores, one task a file, named as the file."""
