"""Durable work: named steps that survive a crash."""
