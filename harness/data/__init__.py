"""Pictures: kept in memory or streamed from files, split by a seed, augmented. Imports records."""
