"""Architectures: one file each, named as the file."""
