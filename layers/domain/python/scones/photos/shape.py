"""The shape of the picture a model takes."""

import re
from dataclasses import dataclass
from typing import Self

MAX_SIDE = 4096
"""Longest side of a picture, in pixels."""


@dataclass(frozen=True, kw_only=True)
class ImageShape:
    """The shape of the picture a model takes, as the built-in algorithm's ``image_shape``.

    Attributes
    ----------
    channels
        Always 3: red, green, blue.
    height, width
        In pixels, 1 to 4096.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> ImageShape.parse("3,300,200")
    ImageShape(channels=3, height=300, width=200)
    """

    channels: int = 3
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.channels != 3:
            raise ValueError(
                f"image shape {self} has {self.channels} channels: it must be 3 (red, green, blue)"
            )
        for side, pixels in (("height", self.height), ("width", self.width)):
            if not 1 <= pixels <= MAX_SIDE:
                raise ValueError(
                    f"image shape {self} has a {side} of {pixels}: it must be 1 to {MAX_SIDE}"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a shape written as ``channels,height,width``.

        Raises
        ------
        ValueError
            If the text is not three whole numbers, or a number is out of its range.
        """
        match = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", text)
        if not match:
            raise ValueError(
                f"image shape {text!r} is not channels,height,width: write it like 3,224,224"
            )
        channels, height, width = map(int, match.groups())
        return cls(channels=channels, height=height, width=width)

    def __str__(self) -> str:
        return f"{self.channels},{self.height},{self.width}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in Pillow's order."""
        return self.width, self.height
