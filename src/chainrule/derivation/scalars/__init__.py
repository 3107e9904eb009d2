"""The graph of single numbers behind one entry: its slopes, its links, the ways through it."""
