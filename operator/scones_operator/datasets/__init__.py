"""Staging: labelled photos from archives and folders, laid out to train on, and uploaded."""
