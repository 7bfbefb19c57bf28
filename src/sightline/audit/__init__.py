"""Append-only, hash-chained: who did what, when and why; ids only, never a patient's values."""
