"""Confirmation in the terminal before an action that cannot be undone or may be a mistake."""

import typer

from scones_operator.errors import PreconditionError
from scones_operator.escaping import escape


def require_confirmation(question: str, declined: str) -> None:
    """Ask for confirmation in the terminal, and raise an error unless it is given.

    Parameters
    ----------
    question
        A yes-or-no question. Control characters in it are escaped.
    declined
        What was not done, and how to do it, for the message.

    Raises
    ------
    PreconditionError
        If the answer is no, or the input ends without one.
    """
    try:
        agreed = typer.confirm(escape(question), err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise PreconditionError(declined)
