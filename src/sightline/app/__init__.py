"""Composes the processes, and binds job names to the stages that do them."""
