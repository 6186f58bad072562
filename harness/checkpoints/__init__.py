"""Checkpoint files of others: read, matched to a network by name, and copied into it.

May import plugins and the rooms below it.
"""
