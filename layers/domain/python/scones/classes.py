"""The class names of a deployment and the loading bay each of them is sent to."""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType

NONE_OF_THE_CLASSES = "none_of_the_classes"
"""Name of the folder at the top of a dataset for photos of none of the classes; never a class."""


def parse_class_names(text: str) -> tuple[str, ...]:
    """Read class names in the order of their class indices.

    Parameters
    ----------
    text
        Comma-separated names, such as ``"bicycle,motorcycle"``. Space around a name is dropped.

    Returns
    -------
    tuple of str
        The names; the position of a name is its class index.

    Raises
    ------
    ValueError
        If a name is empty, stands twice, has a slash or is `NONE_OF_THE_CLASSES`, or there are
        fewer than two.
    """
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ValueError(f"class names {text!r} hold an empty name: write them as a,b,c")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"class names {text!r} name {', '.join(repeated)} more than once")
    if slashed := [name for name in names if "/" in name]:
        raise ValueError(
            f"class names {text!r} have a slash in {', '.join(slashed)}: the folder of a class in "
            "S3 can't have one in its name. Choose another name for the class"
        )
    if NONE_OF_THE_CLASSES in names:
        raise ValueError(
            f"class names {text!r} contain {NONE_OF_THE_CLASSES}, which is reserved for photos of "
            "none of the classes: choose another name for the class"
        )
    if len(names) < 2:
        raise ValueError(f"class names {text!r} are too few: a classifier needs two or more")
    return names


def parse_loading_bays(text: str) -> Mapping[str, str]:
    """Read which loading bay serves which class.

    Parameters
    ----------
    text
        Comma-separated ``class=bay`` pairs, such as ``"bicycle=A,motorcycle=B"``, or nothing.

    Returns
    -------
    mapping of str to str
        Bay by class name. A class that is not named has no bay.

    Raises
    ------
    ValueError
        If a pair has no ``=``, an empty side, or a class that was named before.
    """
    bays: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, separator, bay = (part.strip() for part in pair.partition("="))
        if not (name and separator and bay):
            raise ValueError(f"loading bay {pair!r} is not of the form class=bay")
        if name in bays:
            raise ValueError(f"loading bays {text!r} name {name} more than once")
        bays[name] = bay
    return MappingProxyType(bays)


def classes_hash(class_names: tuple[str, ...], image_shape: str) -> str:
    """Return what `retrain` and `promote` compare to see whether two models have the same classes.

    Parameters
    ----------
    class_names
        The classes in the order of their indices.
    image_shape
        Such as ``3,96,96``.

    Returns
    -------
    str
        SHA-256 of the JSON of both in one list, 64 hexadecimal digits: JSONata's
        ``$hash($string([class_names, image_shape]), 'SHA-256')``, whose list flattens the names.
    """
    text = json.dumps([*class_names, image_shape], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
