"""Bytes to values and back, one format a file."""
