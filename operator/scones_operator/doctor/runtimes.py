"""Check of the Lambda runtime's end of support."""

from datetime import date, timedelta

from scones_operator.doctor.findings import Finding, ok, problem, warning
from scones_operator.doctor.subject import Subject

DEPRECATIONS = {
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""Deprecation dates by runtime, as of November 2026.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-supported
"""

NOTICE = timedelta(days=180)
"""Time before the deprecation within which the check warns, as long as AWS's own notice.

Source: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtime-deprecation-notify
"""


def check_runtime(subject: Subject) -> Finding:
    """Check that AWS supports the runtime of the functions for some time to come."""
    runtime, today = subject.parameters["Runtime"], subject.now.date()
    end = DEPRECATIONS.get(runtime)
    newest = max(DEPRECATIONS, key=lambda name: (DEPRECATIONS[name], name))
    advice = f"deploy with Runtime={newest}: set it for build and deploy in samconfig.toml"
    if end is None:
        return warning(f"the end of support of {runtime} is not known here", advice)
    if end <= today:
        return problem(f"{runtime} is deprecated since {end}", advice)
    if end - today < NOTICE:
        return warning(f"{runtime} is deprecated on {end}", advice)
    return ok(f"{runtime} is supported until {end}")
