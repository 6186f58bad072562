"""Pictures: how they are kept in memory or streamed, split by a seed and augmented. Imports records."""
