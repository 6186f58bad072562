"""Statistics of small samples: numbers in, numbers out. No module here knows what a record is.

Imports no other room.
"""
