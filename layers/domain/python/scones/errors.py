"""The two kinds of errors whose messages are shown to people as they are."""


class PreconditionError(Exception):
    """What was asked can't be done as things are; the message says why and what to do."""


class OperationError(Exception):
    """Something is broken, missing or forbidden; the message says what and what to do."""
