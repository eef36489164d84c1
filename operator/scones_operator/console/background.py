"""What was said of photos and could not be filed at once is filed soon, without anybody's doing."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import anyio.to_thread
from botocore.exceptions import BotoCoreError, ClientError

from scones_operator.escaping import escape

_log = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""Between two tries, as long as somebody looks at the page."""


class ReviewResumer:
    """Finishes what was left, once for all tabs; to be used in the event loop only.

    Parameters
    ----------
    finish
        Finishes what there is, and returns what it can't; it may block.
    """

    def __init__(self, resume: Callable[[], list[str]]) -> None:
        self._resume = resume
        self._errors: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._due = monotonic()

    def start_if_due(self) -> list[str]:
        """Begin to finish what was left, if it is time to; it is not waited for.

        Returns
        -------
        list of str
            What could not be finished the last time.
        """
        if self._task is None and monotonic() >= self._due:
            self._task = asyncio.create_task(self._run())
        return self._errors

    async def _run(self) -> None:
        try:
            # If AWS cannot be reached, the news say so.
            with suppress(BotoCoreError, ClientError):
                self._errors = await anyio.to_thread.run_sync(self._resume, abandon_on_cancel=True)
        except Exception as error:  # nothing else shows that the function failed
            _log.warning("reviews could not be finished", exc_info=error)
            self._errors = [escape(str(error) or repr(error))]
        finally:
            self._due = monotonic() + INTERVAL_SECONDS
            self._task = None
