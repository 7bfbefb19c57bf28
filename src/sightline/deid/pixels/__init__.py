"""Text in pixels: found in limited children, blackened in bytes, looked for again."""
