"""The sections of a report: sentences, tables and figures, and their order (`assembly`).

May import analysis and the rooms below it.
"""
