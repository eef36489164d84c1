import ctypes.util
import json
import subprocess
import sys
from time import monotonic

import pytest

from scones.photos import UnusablePhoto
from scones_operator.photos import decoding
from scones_operator.photos.decoder_process import preview
from scones_operator.photos.decoding import PREVIEW_MAX_SIDE, decode_photo
from tests.unit.scones.photos.heif_files import phone_photo
from tests.unit.scones.photos.samples import quadrants, written

PHOTO = written(quadrants(), "PNG")
PHOTOS = {
    "JPEG": written(quadrants().convert("CMYK"), "JPEG", progressive=True),
    "PNG": written(quadrants().quantize(8), "PNG"),
    "WebP": written(quadrants(), "WEBP"),
    "GIF": written(quadrants(), "GIF"),
    "BMP": written(quadrants(), "BMP"),
    "TIFF": written(quadrants(), "TIFF", compression="tiff_adobe_deflate"),
    "HEIC": phone_photo(),
}
OPENS_FILE = "open('/etc/hosts', 'rb')"
ATTEMPTS = {
    "read a file": OPENS_FILE,
    "write a file": "open('/tmp/written-by-decoder', 'wb')",
    "open a socket": "socket.socket()",
    "reuse a closed descriptor": f"[os.close(0), {OPENS_FILE}]",
    "raise the limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    "fork": "os.fork() or os._exit(0)",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "look into the parent": "ptrace()",
}
BY_LIMITS = ("read a file", "write a file", "open a socket", "reuse a closed descriptor")
DECODER = """
import ctypes, json, os, resource, socket
from scones_operator.photos import decoder_process
from scones.photos import EncodedImage
libc = ctypes.CDLL(None, use_errno=True)
def ptrace():
    if libc.ptrace(0x4206, os.getppid(), 0, 0):  # PTRACE_SEIZE
        raise OSError(ctypes.get_errno(), "ptrace")
"""


needs_seccomp = pytest.mark.skipif(
    ctypes.util.find_library("seccomp") is None, reason="there is no libseccomp"
)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


def error(monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    """What is said of a photo whose decoder runs this code."""
    monkeypatch.setattr(decoding, "COMMAND", python(code))
    with pytest.raises(UnusablePhoto) as raised:
        decode_photo(PHOTO)
    assert raised.value.code == "corrupt"
    return str(raised.value)


@pytest.mark.parametrize("name", PHOTOS)
def test_each_format_is_decoded_as_without_a_process(name: str) -> None:
    assert decode_photo(PHOTOS[name]) == preview(PHOTOS[name], PREVIEW_MAX_SIDE)


def test_why_a_photo_is_unusable_is_passed_on() -> None:
    with pytest.raises(UnusablePhoto, match="this is a PDF file: upload") as raised:
        decode_photo(b"%PDF-1.7\n")
    assert raised.value.code == "unsupported_format"


def succeeding(restriction: str, attempts: dict[str, str]) -> set[str]:
    code = f"{DECODER}\n{restriction}\nsucceeded = []\n"
    for name, attempt in attempts.items():
        code += f"try: {attempt}; succeeded.append({name!r})\nexcept (OSError, ValueError): pass\n"
    command = python(code + "os.write(1, json.dumps(succeeded).encode())")
    run = subprocess.run(command, capture_output=True, check=True)
    return set(json.loads(run.stdout))


def test_the_limits_alone_keep_from_files_and_network() -> None:
    attempts = {name: ATTEMPTS[name] for name in (*BY_LIMITS, "raise the limit")}

    assert succeeding("decoder_process.limit_resources()", attempts) == set()
    assert succeeding("", attempts) == attempts.keys()


@needs_seccomp
def test_the_filter_alone_keeps_from_all() -> None:
    assert succeeding("decoder_process.filter_system_calls()", ATTEMPTS) == set()
    assert succeeding("", {"fork": ATTEMPTS["fork"]}) == {"fork"}


@pytest.mark.parametrize(
    "attack",
    [
        f"{OPENS_FILE}.read()",
        "socket.socket() and b''",
        pytest.param("os.fork() and b''", marks=needs_seccomp),
    ],
)
def test_a_photo_is_read_only_after_the_process_is_locked(
    attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacking = "lambda data, max_side: EncodedImage('image/png', {})"
    code = f"{DECODER}\ndecoder_process.preview = " + attacking + "\ndecoder_process.main()"

    monkeypatch.setattr(decoding, "COMMAND", python(code.format("data")))
    assert decode_photo(PHOTO).data == PHOTO
    assert "crashed (exit code 1)" in error(monkeypatch, code.format(attack))


def test_a_decoder_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = "import os; raise SystemExit('AWS_SECRET_ACCESS_KEY' not in os.environ and 7)"
    assert "exit code 7" in error(monkeypatch, code)


def test_a_decoder_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    message = error(monkeypatch, "import os; os.abort()")
    assert message == "its decoder crashed (SIGABRT): take another photo"


@pytest.mark.parametrize("waiting", ["", "os.close(1);", "sys.stdin.read();"])
def test_a_decoder_that_hangs(monkeypatch: pytest.MonkeyPatch, waiting: str) -> None:
    monkeypatch.setattr(decoding, "DECODING_TIMEOUT_SECONDS", 0.5)
    assert "did not finish within" in error(
        monkeypatch, f"import os, sys, time; {waiting} time.sleep(60)"
    )


@pytest.mark.parametrize("escape", ["", "os.setsid()"])
def test_a_decoder_whose_child_keeps_its_output_open(
    monkeypatch: pytest.MonkeyPatch, escape: str
) -> None:
    monkeypatch.setattr(decoding, "DECODING_TIMEOUT_SECONDS", 1)
    fork = f"import os, time\nif os.fork(): time.sleep(60)\n{escape}\ntime.sleep(5)"
    started_at = monotonic()
    assert "did not finish within" in error(monkeypatch, fork)
    assert monotonic() - started_at < 4


def test_a_decoder_that_writes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_OUTPUT_BYTES", 1000)
    message = error(monkeypatch, "import os\nwhile True: os.write(1, bytes(100000))")
    assert "wrote too much" in message


@pytest.mark.parametrize(
    "answer", ["", "x", "[]", '{"content_type": "text/html"}', '{"code": "own"}', '{"code": 1}']
)
def test_a_decoder_that_answers_something_else(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = error(monkeypatch, f"print({answer!r})")
    assert message == "its decoder returned no image: take another photo"


def test_a_decoder_that_writes_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = json.dumps({"code": "corrupt", "message": "\x1b]0;x\x07" + "y" * 1000})
    message = error(monkeypatch, f"print({forged!r})")
    assert message.isprintable()
    assert len(message) == 500
