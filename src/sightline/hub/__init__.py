"""The de-identified research store: subjects, collections, annotations, models, runs, lineage."""
