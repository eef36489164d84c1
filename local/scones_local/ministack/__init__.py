"""The one package that reaches MiniStack: all it replaces, registers and calls there.

MiniStack reads its settings from the environment when it is imported, so import this package's
modules only after `settings` were put there.
"""

import os
from pathlib import Path

DEFAULT_ACCOUNT = "123456789012"

ACCOUNT = os.environ.get("MINISTACK_ACCOUNT_ID", DEFAULT_ACCOUNT)
"""Account of this process's cloud, 12 digits: everything in it belongs to this account."""

REGION = "us-east-1"

HEALTH_PATH = "/_ministack/health"
"""Answers as soon as requests are served."""


def settings(
    state: Path, port: int, access_key: str, secret_key: str, *, lasting: bool = False
) -> dict[str, str]:
    """Make its folder for temporary files; give the variables it has to be imported with.

    Parameters
    ----------
    state
        Folder that everything it writes goes into.
    port
        Port on the loopback interface it is served at.
    access_key, secret_key
        The root user's credentials.
    lasting
        Whether what it stores can be kept.
    """
    temporary = state / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AUTH": "true",
        "PERSIST_STATE": str(int(lasting)),
        "S3_PERSIST": str(int(lasting)),
        "S3_DATA_DIR": str(state / "s3"),
        "STATE_DIR": str(state / "ministack"),
        "TMPDIR": str(temporary),
        "LAMBDA_EXECUTOR": "local",
        # AWS starts with 1,000; so many processes would spend their time in starting.
        "LAMBDA_ACCOUNT_CONCURRENCY": str(max(4, 2 * (os.cpu_count() or 1))),
        # Listeners and container engines we have no use for.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{state}/no-container-engine",
    }
