"""Command groups that are too large for cli.py; each module registers its own. They parse and print, nothing more."""
