"""The one error that is the job's fault and not ours."""


class BadInput(Exception):
    """What the job was given can't be trained on; the message is one sentence for people."""
