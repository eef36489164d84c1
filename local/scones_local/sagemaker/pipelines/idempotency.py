"""Return the same response if a request is sent again with its token."""

from collections.abc import Callable
from typing import Any

Response = Callable[[dict[str, Any]], dict[str, Any]]


class IdempotentResponses:
    """Answers given so far, by action and ``ClientRequestToken``."""

    def __init__(self) -> None:
        self._responses: dict[tuple[str, str], dict[str, Any]] = {}

    def once(self, action: str, parameters: dict[str, Any], respond: Response) -> dict[str, Any]:
        """Return the response to a request; sending it again changes nothing.

        Parameters
        ----------
        action
            Name of the action.
        parameters
            Of the request, with ``ClientRequestToken``.
        respond
            Called with the parameters, unless the token is known.
        """
        key = (action, parameters["ClientRequestToken"])
        if key not in self._responses:
            self._responses[key] = respond(parameters)
        return self._responses[key]
