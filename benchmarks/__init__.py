"""asv suites: `storebench.suites` turned into asv classes; nothing else happens here."""
