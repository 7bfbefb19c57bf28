"""The SQL catalog: engine, tables and migrations of the archive and of the hub."""
