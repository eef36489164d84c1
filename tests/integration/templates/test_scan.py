"""checkov finds what is unsafe in a template, also in what SAM makes of a function."""

import re
from pathlib import Path

from tools.scan_template import ROOT, scan

UNSAFE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Public:
    Type: AWS::S3::Bucket
    Properties: { AccessControl: PublicRead }
  Mighty:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/mighty
      Handler: app.handler
      Runtime: python3.13
      Policies:
        - Version: "2012-10-17"
          Statement: [{ Effect: Allow, Action: "*", Resource: "*" }]
"""


def test_unsafe_settings_are_found(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(UNSAFE)

    done = scan(template)

    assert done.returncode == 1, done.stdout + done.stderr
    findings = re.findall(r"Check: (\w+): .*\n\s+FAILED for resource: (\S+)", done.stdout)
    assert ("CKV_AWS_20", "AWS::S3::Bucket.Public") in findings
    # What a policy allows: every action on every resource.
    assert ("CKV_AWS_63", "AWS::IAM::Role.MightyRole") in findings


def test_the_template_has_no_merge_keys() -> None:
    """Other scanners read the file itself, and end with a parsing error at the first one."""
    assert not re.search(r"<<\s*:", (ROOT / "template.yaml").read_text("utf-8"))
