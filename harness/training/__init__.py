"""Training with or without a regulariser, and evaluation on the test pictures.

May import plugins and the rooms below it.
"""
