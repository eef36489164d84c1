"""A person confirms what can't be undone, or what they may not have meant."""

import typer

from operations.escaping import escape
from operations.faults import Refused


def require_confirmation(question: str, declined: str) -> None:
    """Ask a question in the terminal.

    Parameters
    ----------
    question
        A yes-or-no question. Control characters in it are escaped.
    declined
        What was not done, and how to do it, for the message.

    Raises
    ------
    Refused
        If the answer is no, or there is none.
    """
    try:
        agreed = typer.confirm(escape(question), err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Refused(declined)
