"""The `sightline` command: parse, call one function, print; one verb a file."""
