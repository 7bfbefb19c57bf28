"""Fit a recipe to the examples of a collection version, and evaluate what came of it."""
