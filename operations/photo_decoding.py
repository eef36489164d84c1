"""Decode drivers' photos in a process of their own, away from the credentials of who looks at them.

Decoders are written in C, and photos come from anybody. A photo that takes over its decoder finds a
process without credentials, files and network: `operations.decoder_process` describes it.
"""

import subprocess
import sys
from contextlib import suppress
from os import cpu_count
from signal import SIGKILL, Signals
from threading import BoundedSemaphore, Thread, Timer
from typing import IO, Literal, cast

from pydantic import BaseModel, ValidationError

from scones.photos import EncodedImage, UnusablePhoto

Form = Literal["preview", "dataset"]
"""What to make of a photo: what the console shows, or what is filed in the dataset."""

DECODING_TIMEOUT_SECONDS = 60
MAX_ANSWER_BYTES = 20_000_000
"""More than the largest preview has, which is an image of 1600 x 1600 pixels."""

COMMAND = (sys.executable, "-I", "-m", "operations.decoder_process")

_MAX_MESSAGE_LENGTH = 500


class _Answer(BaseModel):
    """What a decoder writes first. It is checked, in case a photo has taken over its decoder."""

    content_type: Literal["image/png", "image/jpeg"] | None = None
    code: Literal[
        "empty", "not_a_photo", "unsupported_format", "corrupt", "too_many_pixels", "too_narrow"
    ] = "corrupt"
    message: str = ""


_processes = BoundedSemaphore(cpu_count() or 1)
"""As many photos at once as there are processors: one can take 1.5 GB of memory."""


def decode_photo(data: bytes, form: Form) -> EncodedImage:
    """Decode a photo in a separate process and return it as an image that any browser shows.

    Parameters
    ----------
    data
        The photo's file, whole.
    form
        ``preview`` or ``dataset``.

    Raises
    ------
    UnusablePhoto
        If the photo is unusable. ``corrupt`` also means that its decoder crashed, or did not finish
        within `DECODING_TIMEOUT_SECONDS`.
    """
    with _processes:
        output, exit_code = _run([*COMMAND, form], data)
    header, _, content = output.partition(b"\n")
    if exit_code or len(output) > MAX_ANSWER_BYTES:
        raise UnusablePhoto("corrupt", f"its decoder {_describe(exit_code)}: take another photo")
    try:
        answer = _Answer.model_validate_json(header)
    except ValidationError:
        raise UnusablePhoto(
            "corrupt", "its decoder returned no image: take another photo"
        ) from None
    if answer.content_type:
        return EncodedImage(answer.content_type, content)
    raise UnusablePhoto(answer.code, _printable(answer.message))


def _run(command: list[str], data: bytes) -> tuple[bytes, int]:
    """Run a decoder; return what it wrote, cut off above `MAX_ANSWER_BYTES`, and its exit code."""
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    ) as process:
        timer = Timer(DECODING_TIMEOUT_SECONDS, process.kill)
        sender = Thread(target=_send, args=(process.stdin, data), daemon=True)
        timer.start()
        sender.start()
        try:
            output = cast(IO[bytes], process.stdout).read(MAX_ANSWER_BYTES + 1)
            if len(output) > MAX_ANSWER_BYTES:
                process.kill()
            return output, process.wait()
        finally:
            process.kill()
            timer.cancel()
            sender.join()


def _send(pipe: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(data)


def _describe(exit_code: int) -> str:
    if exit_code == -SIGKILL:
        return f"did not finish within {DECODING_TIMEOUT_SECONDS} seconds, or wrote too much"
    return f"crashed ({Signals(-exit_code).name if exit_code < 0 else f'exit code {exit_code}'})"


def _printable(message: str) -> str:
    """Return a decoder's message without control characters, in case a photo has written it."""
    return "".join(filter(str.isprintable, message))[:_MAX_MESSAGE_LENGTH]
