"""The programs that replace container images in the local cloud."""
