"""Checks that a person or `make lint` runs on the tree."""
