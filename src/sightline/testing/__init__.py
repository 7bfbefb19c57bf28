"""Conformance suites: what every plug-in must hold, importable by outsiders; they need pytest."""
