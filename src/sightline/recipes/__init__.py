"""Recipes: one clinical use a YAML file, named as the file."""
