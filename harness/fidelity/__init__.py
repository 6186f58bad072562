"""Scores of units beside the true change of the loss when each unit is removed.

May import study and the rooms below it.
"""
