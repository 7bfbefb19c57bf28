"""A model applied to one volume: load, place windows, run, stitch, measure."""
