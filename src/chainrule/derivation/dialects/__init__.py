"""The five dialects: each tells an opened computation in the notation of one kind of textbook."""
