"""What operators do with a deployed stack, for the command, the console and `make run` alike."""
