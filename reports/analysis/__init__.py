"""Evidence from records: one table (DataFrame) per question, of plain numbers; accuracies are fractions.

Imports tables, the root modules and statistics.
"""
