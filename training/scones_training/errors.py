"""The errors that are the job's fault and not ours."""


class InputError(Exception):
    """What the job was given can't be trained on; the message is one sentence for people."""


class OtherNetworkError(InputError):
    """The model to train on from has another kind of network than this job trains."""
