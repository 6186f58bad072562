"""Evidence gathered from a network, and the scores of its units computed from that evidence.

May import plugins and the rooms below it.
"""
