"""The graph of single numbers behind one entry: its slopes, its links, the paths through it."""
