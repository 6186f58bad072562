"""Scores of units or residual blocks beside the true change of the loss when each is removed.

May import study and the rooms below it.
"""
