"""Worklist, study, trace and model pages, the JSON API, DICOMweb and the OHIF viewer."""
