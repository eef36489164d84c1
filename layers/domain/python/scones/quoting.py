"""Names of unknown origin, such as a photo's key, within messages."""

MAX_QUOTED_LENGTH = 120
"""Maximum number of characters of a name within a message."""


def quote(name: str) -> str:
    r"""Return a name as it stands within a message: in quotes, and shortened in its middle.

    Without quotes, a photo could be named so that the message reads as another one. Whoever shows
    the message escapes it.

    Examples
    --------
    >>> quote('incoming/7.jpg" is gone: sign in again')
    '"incoming/7.jpg\' is gone: sign in again"'
    """
    if len(name) > MAX_QUOTED_LENGTH:
        half = MAX_QUOTED_LENGTH // 2
        name = f"{name[:half]} … {name[-half:]}"
    return '"' + name.replace('"', "'") + '"'
