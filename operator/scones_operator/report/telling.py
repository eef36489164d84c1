"""Tells how much was read for a report, while it is."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from scones_operator.item_progress import Amount, Tell

T = TypeVar("T")


def told(items: Iterable[T], title: str, tell: Tell) -> Iterator[T]:
    """Yield what is read, and tell how much it is by now, and in the end that it is all.

    Parameters
    ----------
    items
        What is read; how much there is of it is not known before.
    title
        What it is, for people.
    tell
        Told of it.
    """
    done = 0
    for done, item in enumerate(items, 1):
        tell(Amount(title, done, None))
        yield item
    tell(Amount(title, done, done))
