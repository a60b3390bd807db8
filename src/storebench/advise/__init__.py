"""What to choose: settings ranked by a reader's priorities, how sure that is, and code to paste. Imports no format library."""
