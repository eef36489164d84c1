"""The process that decodes one photo for `decoding`, and can do nothing else.

It reads the photo from standard input only after it has given up what an attacker would want: it
can open no file and no connection, start no process and write no file. Standard output gets one
line of JSON (`content_type`, or `code` and `message` of `UnusablePhoto`), then the image.
"""

import ctypes
import errno
import json
import os
import pwd
import resource
import sys
from contextlib import suppress
from io import BytesIO

import pillow_heif
from PIL import Image

from scones.photos import EncodedImage, UnusablePhoto, resize_to_fit

PREVIEW_QUALITY = 85

_LIMITS = {
    resource.RLIMIT_NOFILE: 0,  # no new descriptor: no file, no connection, no pipe
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: 60,
}
if sys.platform == "darwin":
    _LIMITS[resource.RLIMIT_NPROC] = 0  # no process; on Linux no thread either, which HEIC needs

MAX_MEMORY_BYTES = 3 * 2**30
"""Twice the most that a photo was measured to take (tests/unit/photos/README.md)."""

_ALLOW, _FAIL = 0x7FFF0000, 0x00050000  # libseccomp's SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0)
_SYSTEM_CALLS = (
    *("read", "write", "readv", "writev", "close", "lseek", "fstat", "newfstatat"),
    *("brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "membarrier", "rseq"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "getpid", "gettid"),
    *("sched_yield", "sched_getaffinity", "clock_gettime", "clock_nanosleep", "gettimeofday"),
    *("set_robust_list", "getrandom", "poll", "ppoll", "exit", "exit_group"),
)
"""What decoding needs. All others fail with EPERM, among them opening, connecting, forking, running
programs, signals and looking into other processes. `clone` is allowed for threads only."""

_CLONE_THREAD = 0x00010000


class _Comparison(ctypes.Structure):
    """libseccomp's `scmp_arg_cmp`: what an argument of a system call must be."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


_IS_THREAD = _Comparison(0, 7, _CLONE_THREAD, _CLONE_THREAD)  # 7: SCMP_CMP_MASKED_EQ


def _load_libseccomp() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None


_libseccomp = _load_libseccomp()  # now, while files can still be opened


def limit_resources() -> None:
    """Give up root, and lower the limits of this process for good."""
    if os.geteuid() == 0:  # root could raise the limits again
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    with suppress(ValueError, OSError):  # macOS does not limit memory
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    for limit, value in _LIMITS.items():
        resource.setrlimit(limit, (value, value))


def filter_system_calls() -> bool:
    """Let the kernel deny all system calls but those of decoding, where libseccomp is installed.

    Returns
    -------
    bool
        False without libseccomp (macOS, and a few Linux distributions).
    """
    seccomp = _libseccomp
    if seccomp is None:
        return False
    seccomp.seccomp_init.restype = ctypes.c_void_p
    rules = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_FAIL | errno.EPERM)))

    def add(action: int, name: str, *conditions: _Comparison) -> None:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        array = (_Comparison * len(conditions))(*conditions)
        result = seccomp.seccomp_rule_add_array(
            rules, ctypes.c_uint32(action), number, len(conditions), array
        )
        if result not in {0, -errno.EDOM}:  # EDOM: not a system call of this architecture
            raise OSError(f"libseccomp cannot add a rule for {name}")

    for name in _SYSTEM_CALLS:
        add(_ALLOW, name)
    add(_ALLOW, "clone", _IS_THREAD)
    add(_FAIL | errno.ENOSYS, "clone3")  # its flags can't be filtered: the C library takes clone
    if seccomp.seccomp_load(rules):
        raise OSError("the kernel rejected the system call filter")
    return True


def preview(data: bytes, max_side: int) -> EncodedImage:
    """Return a photo as browsers show it: JPEG, upright, without metadata.

    Parameters
    ----------
    data
        The photo's file, whole.
    max_side
        Maximum width and height in pixels.
    """
    file = BytesIO()
    resize_to_fit(data, max_side).save(file, "JPEG", quality=PREVIEW_QUALITY)
    return EncodedImage("image/jpeg", file.getvalue())


def main() -> None:
    """Decode the photo on standard input; the argument is the maximum side in pixels."""
    max_side = int(sys.argv[1])
    Image.init()  # imports the plugins of all formats while files can still be opened
    pillow_heif.options.DECODE_THREADS = 1
    limit_resources()
    filter_system_calls()
    header: dict[str, str]
    try:
        image = preview(sys.stdin.buffer.read(), max_side)
        header, content = {"content_type": image.content_type}, image.data
    except UnusablePhoto as error:
        header, content = {"code": error.code, "message": str(error)}, b""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + content)
    sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
