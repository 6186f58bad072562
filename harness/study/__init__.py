"""From the options of a run to its records: grid, tasks, stages, trajectories, results folder.

May import scoring, training and the rooms below them.
"""
