"""The side-by-side comparison of ways to search for a system prompt: worlds, one meter for all, our search and its opponents."""
