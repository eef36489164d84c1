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
        offset = 13 + _color_table_bytes(self._gif[10])
        header = self._gif[:offset]
        control = b""
        while True:
            self._count()
            kind = self._gif[offset]
            if kind == _EXTENSION:
                end = self._after_blocks(offset + 2)
                if self._gif[offset + 1] == _GRAPHIC_CONTROL:
                    control = self._gif[offset:end]
                offset = end
            elif kind == _IMAGE:
                data = offset + 10 + _color_table_bytes(self._gif[offset + 9]) + 1
                return header + control + self._gif[offset : self._after_blocks(data)] + _TRAILER
            else:  # decoders pass over what is not the beginning of a block
                offset += 1

    def _after_blocks(self, offset: int) -> int:
        """Return the offset after a sequence of blocks, which an empty one ends."""
        while length := self._gif[offset]:
            self._count()
            offset += 1 + length
        if offset >= len(self._gif):
            raise _Truncated
        return offset + 1

    def _count(self) -> None:
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            raise ValueError(f"more than {MAX_BLOCKS:,} blocks")


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 0b111) + 1) if flags & 0b1000_0000 else 0
