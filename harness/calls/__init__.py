"""PruneBench from Python: `prune` cuts one network, `run` computes a grid, `Results` reads what came out.

Objects stand in place of names. The command line sits on the same calls. May import study, the rooms below it, and
reports.
"""
