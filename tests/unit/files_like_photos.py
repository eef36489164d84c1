"""Contents that begin as a photo's does, which is all that reading a folder looks at."""

JPEG = b"\xff\xd8\xff"
