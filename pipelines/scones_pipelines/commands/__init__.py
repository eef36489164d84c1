"""The commands `get-pipeline-definition` and `run-pipeline`."""
