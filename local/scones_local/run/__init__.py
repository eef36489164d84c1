"""`make run`: the whole application in the local cloud, on real photos, with what came of it."""
