"""Scan the template for unsafe settings with checkov.

checkov does not look into the policies of ``AWS::Serverless::Function``, so it is given the
resources that SAM makes for CloudFormation. `.checkov.yaml` has the exceptions, each with its
reason.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[1]
CHECKOV = ROOT / ".venv" / "checkov" / "bin" / "checkov"
"""checkov in its own environment, which `make lint` makes: it pins packages that we need newer."""

_LOCAL_FILES = ("CodeUri", "ContentUri", "DefinitionUri")


class _NoManagedPolicies:
    """Names no managed policy: the template names none."""

    def load(self) -> dict[str, str]:
        return {}


def translate(template: Path) -> Any:
    """Return the CloudFormation template that SAM makes of a SAM template.

    Parameters
    ----------
    template
        The SAM template. Its local files need not exist.
    """
    read = yaml_parse(template.read_text("utf-8"))
    for resource in read["Resources"].values():
        for name in _LOCAL_FILES:
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    return transform(read, {}, _NoManagedPolicies())


def scan(template: Path) -> "subprocess.CompletedProcess[str]":
    """Run checkov on a SAM template, and return its exit status and its findings.

    Raises
    ------
    FileNotFoundError
        If checkov is not installed.
    """
    if not CHECKOV.exists():
        raise FileNotFoundError(f"{CHECKOV} does not exist: run `make lint`, which installs it")
    with TemporaryDirectory() as folder:
        translated = Path(folder) / "template.json"
        translated.write_text(json.dumps(translate(template), indent=1), encoding="utf-8")
        return subprocess.run(  # noqa: S603
            [CHECKOV, "--config-file", ROOT / ".checkov.yaml", "--file", translated],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )


def _report(template: Path) -> int:
    """Scan a template, print the findings, and return the exit status."""
    done = scan(template)
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(max(_report(ROOT / name) for name in ("template.yaml", "bootstrap/template.yaml")))
