"""Made-up studies with known truth, as DICOM: for the demo, for tests and for commissioning."""
