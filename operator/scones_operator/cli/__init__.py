"""The operator's commands, for a stack on AWS or in the local cloud."""
