"""The operator's commands, against AWS and against the embedded cloud alike."""
