"""Texts of a report that other languages can render, and these languages. Knows nothing of the rest of a report."""
