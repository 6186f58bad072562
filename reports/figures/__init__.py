"""Figures, drawn with Altair.

May import tables and the rooms below it.
"""
