"""A project of one's own: a copy of this application for other classes of photos."""
