"""Chooses a criterion for one task: a race on validation pictures, then a confirmation on test pictures.

May import timing, tuning, reports and the rooms below them.
"""
