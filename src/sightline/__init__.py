"""Carry a hospital's scans from the PACS to a traceable model and back into the worklist."""
