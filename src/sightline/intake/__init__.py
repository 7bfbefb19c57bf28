"""Receiving: DICOM associations, files and archives, an expert's masks."""
