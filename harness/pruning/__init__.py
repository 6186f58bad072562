"""The table of units of a network, the selection of units for a budget, and their exact removal.

May import records.
"""
