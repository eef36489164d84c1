"""The local cloud's process: start and stop it, and the folder of its state."""
