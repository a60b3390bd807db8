"""``python -m storebench``."""

from storebench.cli import main

main()
