"""Decode drivers' photos in a process of their own, away from the credentials of who looks at them.

Decoders are written in C, and photos come from anybody. A photo that takes over its decoder finds a
process without credentials, files and network: `decoder_process` describes it.
"""

import subprocess
import sys
from contextlib import suppress
from os import cpu_count, killpg, read
from selectors import EVENT_READ, DefaultSelector
from signal import SIGKILL, Signals
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from time import monotonic
from typing import IO, Literal, cast

from pydantic import BaseModel, ValidationError

from scones.photos import EncodedImage, UnusablePhoto

DECODING_TIMEOUT_SECONDS = 60
PREVIEW_MAX_SIDE = 1600
MAX_OUTPUT_BYTES = 20_000_000
"""More than the largest preview has, which is an image of 1600 x 1600 pixels."""

COMMAND = (sys.executable, "-I", "-m", "scones_operator.photos.decoder_process")

_MAX_MESSAGE_LENGTH = 500


class _DecoderHeader(BaseModel):
    """What a decoder writes first. It is checked, in case a photo has taken over its decoder."""

    content_type: Literal["image/png", "image/jpeg"] | None = None
    code: Literal[
        "empty",
        "not_a_photo",
        "unsupported_format",
        "corrupt",
        "too_many_pixels",
        "too_narrow",
        "transparent",
    ] = "corrupt"
    message: str = ""


_processes = BoundedSemaphore(cpu_count() or 1)
"""As many photos at once as there are processors: one can take 1.5 GB of memory."""


def decode_photo(data: bytes, max_side: int = PREVIEW_MAX_SIDE) -> EncodedImage:
    """Decode a photo in a separate process and return it as an image that any browser shows.

    Parameters
    ----------
    data
        The photo's file, whole.
    max_side
        Maximum width and height of the image in pixels.

    Raises
    ------
    UnusablePhoto
        If the photo is unusable. ``corrupt`` also means that its decoder crashed, or did not finish
        within `DECODING_TIMEOUT_SECONDS`.
    """
    with _processes:
        output, exit_code = _run([*COMMAND, str(max_side)], data)
    header, _, content = output.partition(b"\n")
    if exit_code or len(output) > MAX_OUTPUT_BYTES:
        raise UnusablePhoto("corrupt", f"its decoder {_describe(exit_code)}: take another photo")
    try:
        answer = _DecoderHeader.model_validate_json(header)
    except ValidationError:
        raise UnusablePhoto(
            "corrupt", "its decoder returned no image: take another photo"
        ) from None
    if answer.content_type:
        return EncodedImage(answer.content_type, content)
    raise UnusablePhoto(answer.code, _printable(answer.message))


def _run(command: list[str], data: bytes) -> tuple[bytes, int]:
    """Run a decoder; return what it wrote, cut off above `MAX_ANSWER_BYTES`, and its exit code.

    The time is limited even if the decoder has started processes that keep its output open.
    """
    end = monotonic() + DECODING_TIMEOUT_SECONDS
    with TemporaryFile() as photo:
        photo.write(data)
        photo.seek(0)
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=photo,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,
        ) as process:
            try:
                output = _read(cast(IO[bytes], process.stdout).fileno(), end)
                if len(output) <= MAX_OUTPUT_BYTES:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(max(0, end - monotonic()))
            finally:
                with suppress(ProcessLookupError, PermissionError):  # all have ended already
                    killpg(process.pid, SIGKILL)
            return output, process.wait()


def _read(descriptor: int, end: float) -> bytes:
    """Read until nobody can write any more, it is too much, or `monotonic()` reaches the end."""
    output = bytearray()
    with DefaultSelector() as selector:
        selector.register(descriptor, EVENT_READ)
        while len(output) <= MAX_OUTPUT_BYTES and (remaining := end - monotonic()) > 0:
            if selector.select(remaining):
                block = read(descriptor, 2**16)
                if not block:
                    break
                output += block
    return bytes(output)


def _describe(exit_code: int) -> str:
    if exit_code == -SIGKILL:
        return f"did not finish within {DECODING_TIMEOUT_SECONDS} seconds, or wrote too much"
    return f"crashed ({Signals(-exit_code).name if exit_code < 0 else f'exit code {exit_code}'})"


def _printable(message: str) -> str:
    """Return a decoder's message without control characters, in case a photo has written it."""
    return "".join(filter(str.isprintable, message))[:_MAX_MESSAGE_LENGTH]
