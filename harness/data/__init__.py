"""Pictures: read from files, kept in memory or streamed, split by a seed, augmented.

May import records.
"""
