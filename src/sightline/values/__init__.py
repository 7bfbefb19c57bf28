"""Frozen values that travel between stages; none knows how it is encoded."""
