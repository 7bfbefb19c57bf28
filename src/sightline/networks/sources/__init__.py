"""Weights that come from elsewhere: one source a file, named as the file."""
