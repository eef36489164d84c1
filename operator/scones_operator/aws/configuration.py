"""Sessions whose errors are botocore's, whatever is wrong with the user's AWS configuration.

botocore lets errors of JSON, of dates and of programs through: of a damaged cache of SSO tokens, a
`credential_process` that fails, or a malformed endpoint. Here they become `BotoCoreError`, which is
caught wherever AWS is asked.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.credentials import Credentials, ProcessProvider, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    InvalidConfigError,
    SSOTokenLoadError,
)
from botocore.session import Session

PROCESS_TIMEOUT_SECONDS = 60
"""Time after which a `credential_process` is ended, as in AWS's SDK for Go:
https://pkg.go.dev/github.com/aws/aws-sdk-go-v2/credentials/processcreds."""

_PROCESS = "credential_process"
_NO_OBJECT = "its output is not a JSON object"


def region_from_environment() -> str | None:
    """Return the region of AWS_REGION, or None if it is not set.

    AWS's command line and its other SDKs read it before AWS_DEFAULT_REGION and the profile, and
    botocore does not: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    return os.environ.get("AWS_REGION") or None


class ConfiguredSession(Session):
    """A session of botocore that raises `BotoCoreError` for every mistake in the configuration."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Credentials | None = None
        self._is_limited = False

    def get_credentials(self) -> Credentials | None:
        """Return the credentials as `botocore.session.Session.get_credentials` does.

        Raises
        ------
        botocore.exceptions.BotoCoreError
            If they cannot be read.
        """
        if self._found is None:
            with self._explained():
                self._limit_process()
                self._found = super().get_credentials()
            if isinstance(self._found, RefreshableCredentials):
                # There is no other way to the errors of a refresh, which may come hours later.
                refresh = self._found._refresh  # type: ignore[attr-defined]
                self._found._refresh = self._refreshing(refresh)  # type: ignore[attr-defined]
        return self._found

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Return a client as `botocore.session.Session.create_client` does.

        Raises
        ------
        botocore.exceptions.BotoCoreError
            If the configuration has a value that can't be used.
        """
        try:
            client = super().create_client(service_name, *arguments, **options)
            _require_usable(client.meta.endpoint_url)
        except BotoCoreError:  # some are ValueErrors, too
            raise
        except ValueError as error:
            given = " or ".join(sorted(filter(_is_endpoint, os.environ)))
            setting = f"the endpoint in {given}" if given else "a setting"
            message = f"{setting} cannot be used for {service_name} ({_line(error)})"
            raise InvalidConfigError(error_msg=message) from error
        return client

    def _limit_process(self) -> None:
        """Run the profile's `credential_process` with a time limit and checked output."""
        if self._is_limited:
            return
        self._is_limited = True
        provider = ProcessProvider(
            self.profile or "default", lambda: self.full_config, popen=_CredentialProcess
        )
        self.get_component("credential_provider").insert_before(ProcessProvider.METHOD, provider)

    def _refreshing(self, refresh: Callable[[], None]) -> Callable[[], None]:
        def explained() -> None:
            with self._explained():
                refresh()

        return explained

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError):
            raise
        except Exception as error:
            profile = self.profile or "default"
            if self._has(profile, "sso_"):
                message = f"the cached token of the profile {profile} cannot be read"
                raise SSOTokenLoadError(error_msg=message) from error
            if isinstance(error, json.JSONDecodeError) and self._has(profile, _PROCESS):
                raise _process_error(_NO_OBJECT) from error
            raise CredentialRetrievalError(
                provider=f"the profile {profile}", error_msg=_line(error)
            ) from error

    def _has(self, profile: str, setting: str) -> bool:
        """Return True if a profile, or one that it takes its credentials from, has such settings.

        Parameters
        ----------
        profile
            Name of the profile.
        setting
            How the names of the settings begin.
        """
        profiles = dict(self.full_config.get("profiles", {}))
        while found := profiles.pop(profile, None):
            if any(name.startswith(setting) for name in found):
                return True
            profile = found.get("source_profile", "")
        return False


class _CredentialProcess(subprocess.Popen[bytes]):
    """A `credential_process` that has to print a JSON object in time."""

    def __init__(self, command: list[str], **options: Any) -> None:
        try:
            super().__init__(command, **options)
        except OSError as error:
            raise _process_error(f"{command[0]} cannot be run: {error.strerror}") from error

    def communicate(
        self,
        input: bytes | None = None,
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        """Return what the process printed, as `subprocess.Popen.communicate` does.

        Raises
        ------
        botocore.exceptions.CredentialRetrievalError
            If it takes too long, or prints no JSON object although it ends with 0.
        """
        try:
            printed, errors = super().communicate(input, timeout or PROCESS_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            raise _process_error(f"it did not finish within {PROCESS_TIMEOUT_SECONDS} s") from None
        if self.returncode == 0 and not _is_object(printed):
            raise _process_error(_NO_OBJECT)
        return printed, errors.decode("utf-8", "replace").encode()


def _is_endpoint(variable: str) -> bool:
    return variable.startswith("AWS_ENDPOINT_URL")


def _require_usable(url: str) -> None:
    """Raise ValueError for the URL of an endpoint that fails only once something is sent to it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{url} does not begin with http:// or https://")
    _ = parts.port  # raises


def _process_error(message: str) -> CredentialRetrievalError:
    return CredentialRetrievalError(provider=_PROCESS, error_msg=message)


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _line(error: Exception) -> str:
    """Return what an error says in one line; its kind if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
