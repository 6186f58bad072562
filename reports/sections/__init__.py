"""Sections of a report: what is said, in tables, sentences and pictures. Imports analysis, tables and figures."""
