"""Someone's notebook or script, read without being run: what it computes, and where its backward pass is wrong."""
