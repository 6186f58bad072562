"""Sections of a report: sentences, tables and pictures. Imports figures, analysis, tables, root modules, statistics."""
