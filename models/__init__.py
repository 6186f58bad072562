"""Models: one family of networks per file. Each file is found by itself; a name with `_` holds shared helpers."""
