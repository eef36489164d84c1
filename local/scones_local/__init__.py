"""The local cloud, and what `make run` does with it."""
