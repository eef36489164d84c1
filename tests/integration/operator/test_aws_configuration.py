"""Mistakes in an AWS configuration give one line: commands with a home of their own.

No request reaches AWS: there are no credentials, or nothing listens at the endpoint's port.
botocore looks for cached tokens in the home that a process starts with: tests of these start the
real command, which takes a second. The others run it in the tests' process.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scones_operator.cli import __main__ as scones

REPOSITORY = Path(__file__).parents[3]
NOBODY = "http://127.0.0.1:9"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
START = "https://example.awsapps.com/start"
ROLE = "role_arn=arn:aws:iam::123456789012:role/x"

CONFIG = f"""
[default]
region=eu-west-1

[profile hello]
region=eu-west-1
credential_process={sys.executable} -c "print('hello')"

[profile list]
region=eu-west-1
credential_process={sys.executable} -c "print('[]')"

[profile missing]
region=eu-west-1
credential_process=/nowhere/program --flag

[profile fails]
region=eu-west-1
credential_process={sys.executable} -c "raise SystemExit('not today')"

[profile quote]
region=eu-west-1
credential_process=program "a

[profile expired]
region=eu-west-1
credential_process={sys.executable} %(home)s/expired.py

[profile legacy]
region=eu-west-1
sso_start_url={START}
sso_region=eu-west-1
sso_account_id=123456789012
sso_role_name=r

[profile session]
region=eu-west-1
sso_session=mine
sso_account_id=123456789012
sso_role_name=r

[sso-session mine]
sso_start_url={START}
sso_region=eu-west-1

[profile lost-session]
region=eu-west-1
sso_session=gone
sso_account_id=123456789012
sso_role_name=r

[profile over-legacy]
region=eu-west-1
{ROLE}
source_profile=legacy

[profile over-hello]
region=eu-west-1
{ROLE}
source_profile=hello

[profile over-nothing]
region=eu-west-1
{ROLE}
source_profile=gone

[profile over-no-token]
region=eu-west-1
{ROLE}
web_identity_token_file=/nowhere/token

[profile endpoint]
region=eu-west-1
endpoint_url=localhost:4566
aws_access_key_id=a
aws_secret_access_key=b
"""

EXPIRED = """
import json
print(json.dumps({"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c",
                  "Expiration": "2020-01-01T00:00:00Z"}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws/sso/cache").mkdir(parents=True)
    (tmp_path / ".aws/config").write_text(CONFIG % {"home": tmp_path})
    (tmp_path / "expired.py").write_text(EXPIRED)
    return tmp_path


def say(home: Path, *arguments: str, **environment: str) -> str:
    """Run `scones models` here, which has to fail with one line, and return that line."""
    only = dict.fromkeys(os.environ) | variables(home) | environment
    result = CliRunner().invoke(scones.app, ["models", *arguments], env=only)
    return only_line(result.exit_code, result.stdout, result.stderr)


def say_from_start(home: Path, **environment: str) -> str:
    """Do the same in a process that starts with these environment variables."""
    result = subprocess.run(
        [sys.executable, "-m", "scones_operator.cli", "models"],
        env={**variables(home), **environment},
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    return only_line(result.returncode, result.stdout, result.stderr)


def variables(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": NOBODY,
        "AWS_MAX_ATTEMPTS": "1",
    }


def only_line(exit_code: int, printed: str, complained: str) -> str:
    assert exit_code == 3, complained
    assert printed == ""
    (line,) = complained.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("hello", "credential_process: its output is not a JSON object"),
        ("list", "credential_process: its output is not a JSON object"),
        ("missing", "/nowhere/program cannot be run: No such file or directory"),
        ("fails", "not today"),
        ("quote", "the profile quote: No closing quotation"),
        ("expired", "still expired"),
        ("legacy", f"Token for {START} does not exist): run `aws sso login`"),
        ("session", "Token for mine does not exist): run `aws sso login`"),
        ("lost-session", 'does not exist: "gone": correct your AWS configuration'),
        ("over-hello", "credential_process: its output is not a JSON object"),
        ("over-nothing", 'source_profile "gone" referenced in the profile "over-nothing"'),
        ("over-no-token", "No such file or directory: '/nowhere/token'"),
        ("nobody", "(nobody) could not be found: `aws configure list-profiles`"),
    ],
)
def test_profiles_that_give_no_credentials(home: Path, profile: str, said: str) -> None:
    assert said in say(home, "--profile", profile)


@pytest.mark.parametrize(
    ("profile", "token", "said"),
    [
        ("legacy", '{"accessToken": "a", "expir', "the cached token of the profile legacy cannot"),
        (
            "session",
            '{"accessToken": "a", "expir',
            "the cached token of the profile session cannot",
        ),
        ("over-legacy", '{"accessToken": "a", "ex', "the cached token of the profile over-legacy"),
        ("legacy", '{"accessToken": "a", "expiresAt": "soon"}', "the cached token of the profile"),
        ("session", "7", "the cached token of the profile session cannot be read"),
        ("legacy", '{"accessToken": "a", "expiresAt": "2020-01-01T00:00:00Z"}', "has expired"),
        ("session", '{"accessToken": "a", "expiresAt": "2020-01-01T00:00:00Z"}', "has expired"),
    ],
)
def test_tokens_that_are_damaged_or_expired(
    home: Path, profile: str, token: str, said: str
) -> None:
    for name in (START, "mine"):
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        (home / f".aws/sso/cache/{digest}.json").write_text(token)

    line = say_from_start(home, AWS_PROFILE=profile)

    assert said in line
    assert "run `aws sso login`" in line


@pytest.mark.parametrize(
    "config", [b"[default\nregion=x", b"\xff\xfe[\0d\0", b"[default]\ns3 =\n  nonsense\n"]
)
def test_a_malformed_file(home: Path, config: bytes) -> None:
    (home / ".aws/config").write_bytes(config)
    assert f"Unable to parse config file: {home}/.aws/config: correct" in say(home)


@pytest.mark.parametrize(
    "url", ["localhost:4566", "not a url", "http://", "http://[::1", "http://x:port", "ftp://x"]
)
def test_a_malformed_endpoint(home: Path, url: str) -> None:
    said = "the endpoint in AWS_ENDPOINT_URL cannot be used for cloudformation ("
    assert said in say(home, **KEYS, AWS_ENDPOINT_URL=url)


def test_a_malformed_endpoint_of_one_service_or_profile(home: Path) -> None:
    line = say_from_start(home, **KEYS, AWS_ENDPOINT_URL_CLOUDFORMATION="foo")
    assert "AWS_ENDPOINT_URL_CLOUDFORMATION cannot be used" in line
    line = say(home, AWS_PROFILE="endpoint", AWS_ENDPOINT_URL="")
    assert "Invalid endpoint: localhost:4566" in line


def test_region(home: Path) -> None:
    (home / ".aws/config").unlink()
    line = say(home, **KEYS)
    assert "set AWS_REGION or AWS_DEFAULT_REGION" in line
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        assert NOBODY in say(home, **KEYS, **{variable: "eu-west-1"})
    assert "'eu west' doesn't match" in say(home, **KEYS, AWS_REGION="eu west")
