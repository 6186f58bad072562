"""The sections of the page that answer a question, in the order of the page.

May import tables, analysis and the rooms below them.
"""
