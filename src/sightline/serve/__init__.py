"""Complete studies to released models, and what they say back to the hospital."""
