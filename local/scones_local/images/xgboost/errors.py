"""Errors in what the user gave."""


class UserError(Exception):
    """Invalid hyperparameters or data; the message becomes the job's FailureReason."""
