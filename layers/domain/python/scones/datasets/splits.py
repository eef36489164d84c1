"""On which side of a split a photo is: decided by its content alone.

A photo that is renamed, moved to another class or joined by others stays on its side, and so do
its copies, so that no model is validated on what it was trained on.
"""

import hashlib
from typing import Literal

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")

_DIGESTS = 2.0**256


def digest(content_id: str) -> int:
    """Return a number from 0 to 2**256 - 1 for a content id, spread evenly over that range.

    Parameters
    ----------
    content_id
        The entity tag of an S3 object, without its quotes. It is the MD5 of the content for
        objects that were uploaded in one part and encrypted with S3's own keys. For others it is
        another id: the copy of a photo that was uploaded in another way may get another one.
    """
    return int.from_bytes(hashlib.sha256(content_id.encode()).digest(), "big")


def is_validation(number: int, share: float) -> bool:
    """Tell whether a photo is held back to validate on.

    Parameters
    ----------
    number
        The `digest` of its content id.
    share
        Which share of all photos is held back: 0 holds back none, 1 all of them.
    """
    return number < share * _DIGESTS
