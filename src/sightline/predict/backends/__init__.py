"""What can run a network: one back end a file, all behind one contract."""
