"""The review queue of a deployed stack."""
