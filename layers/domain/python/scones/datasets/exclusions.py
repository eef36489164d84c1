"""Which objects of a dataset are left out of the lists, and why."""

from typing import Literal

from scones import lst
from scones.photos.names import has_photo_suffix, is_hidden

ExclusionReason = Literal[
    "folder_marker",
    "hidden",
    "not_a_photo",
    "empty",
    "unlistable_name",
    "outside_a_class",
    "unused_split",
]


def exclusion_reason(path: str, size: int) -> ExclusionReason | None:
    """Tell by its name and size why an object is no photo to train on.

    Parameters
    ----------
    path
        Its key below the folder that it was found in.
    size
        In bytes.

    Returns
    -------
    Reason or None
        None for a photo.
    """
    if path.endswith("/") or not path:
        return "folder_marker"  # what the S3 console writes for a folder
    if is_hidden(path):
        return "hidden"
    if not has_photo_suffix(path):
        return "not_a_photo"
    if size == 0:
        return "empty"
    if not lst.is_valid_path(path):
        return "unlistable_name"
    return None
