"""From a volume to what a network sees: orientation, spacing, intensity; serving does the same."""
