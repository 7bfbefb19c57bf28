"""What a model is worth: figures with intervals, strata, calibration, shortcuts, and its card."""
