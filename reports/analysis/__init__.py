"""Comparisons: one table (DataFrame) per question, of plain numbers; accuracies are fractions.

May import tables and the rooms below it.
"""
