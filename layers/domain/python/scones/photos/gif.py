"""What the GIF decoder may see of a GIF: its first frame.

Format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

MAX_BLOCKS = 300_000
"""The most blocks up to the end of the first frame. A frame of 20 MB has 80,000 of 255 bytes."""

_EXTENSION, _IMAGE = 0x21, 0x2C
_GRAPHIC_CONTROL = 0xF9
_TRAILER = b";"


class _Truncated(Exception):
    """The data ends within a block."""


def first_frame(gif: bytes) -> bytes:
    """Return a GIF of nothing but the first frame of another.

    Left out are comments, which decoders put together in time that grows with the square of their
    number, what programs have added, and all other frames.

    Parameters
    ----------
    gif
        The file, whole. One that ends within the first frame is returned as it is.

    Raises
    ------
    ValueError
        If it has more than `MAX_BLOCKS` blocks before the end of the first frame.
    """
    try:
        return _Reader(gif).first_frame()
    except (_Truncated, IndexError):
        return gif


class _Reader:
    def __init__(self, gif: bytes) -> None:
        self._gif = gif
        self._blocks = 0

    def first_frame(self) -> bytes:
        at = 13 + _color_table_bytes(self._gif[10])
        header = self._gif[:at]
        control = b""
        while True:
            self._count()
            kind = self._gif[at]
            if kind == _EXTENSION:
                end = self._after_blocks(at + 2)
                if self._gif[at + 1] == _GRAPHIC_CONTROL:
                    control = self._gif[at:end]
                at = end
            elif kind == _IMAGE:
                data = at + 10 + _color_table_bytes(self._gif[at + 9]) + 1
                return header + control + self._gif[at : self._after_blocks(data)] + _TRAILER
            else:  # decoders pass over what is not the beginning of a block
                at += 1

    def _after_blocks(self, at: int) -> int:
        """Return the offset after a sequence of blocks, which an empty one ends."""
        while length := self._gif[at]:
            self._count()
            at += 1 + length
        if at >= len(self._gif):
            raise _Truncated
        return at + 1

    def _count(self) -> None:
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            raise ValueError(f"more than {MAX_BLOCKS:,} blocks")


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 0b111) + 1) if flags & 0b1000_0000 else 0
