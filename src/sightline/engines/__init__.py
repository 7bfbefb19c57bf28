"""Where heavy work and dangerous work runs: here, in limited child processes."""
