"""The only door from archive to hub: what no rule keeps is removed; one rule a file."""
