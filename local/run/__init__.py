"""`make run`: the whole application in the embedded cloud, on real photos, with what came of it."""
