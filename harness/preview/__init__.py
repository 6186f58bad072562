"""Estimate what a run costs before it starts: stages, time and disk.

May import study and the rooms below it.
"""
