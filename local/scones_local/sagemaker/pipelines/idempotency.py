"""Return the same response if a request is sent again with its token."""

from collections.abc import Callable
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Answers:
    """Answers given so far, by action and ``ClientRequestToken``."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], dict[str, Any]] = {}

    def once(self, action: str, parameters: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """Return the response to a request; sending it again changes nothing.

        Parameters
        ----------
        action
            Name of the action.
        parameters
            Of the request, with ``ClientRequestToken``.
        answer
            Called with the parameters, unless the token is known.
        """
        key = (action, parameters["ClientRequestToken"])
        if key not in self._given:
            self._given[key] = answer(parameters)
        return self._given[key]
