"""Immutable bytes by digest, and chunked arrays."""
