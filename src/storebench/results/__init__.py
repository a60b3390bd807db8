"""Results: what asv wrote, what the journal adds, and the one table that both become.

A report is built where no format library is installed, so nothing in here imports one.
"""
