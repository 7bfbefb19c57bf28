"""Languages of free text: one file says how reports in a language name people, dates and places."""
