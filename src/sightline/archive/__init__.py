"""The identified clinical store: studies as they came, results, the worklist, the outbox."""
