"""Checks of service quotas.

Quotas are found by their names: codes differ for each instance type and use. AWS lists
names and defaults at https://docs.aws.amazon.com/general/latest/gr/sagemaker.html and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from scones_operator.doctor.findings import Finding, ok, problem, warning
from scones_operator.doctor.subject import Subject

ALL_ENDPOINTS = "Number of instances across active endpoints"
CONCURRENCY = "Concurrent executions"

SUFFICIENT_CONCURRENCY = 100
"""Concurrent executions of Lambda functions below which photos wait for each other.

New accounts may have a quota of 10, which three functions a photo, reviews and metrics share.
"""

REQUEST = "request an increase; AWS may take some days"


def check_training(subject: Subject) -> Finding:
    """Check that a training job fits into the quota, on demand or on spot instances."""
    chosen = subject.parameters
    spot = "spot " if chosen["SpotTraining"] == "true" else ""
    name = f"{chosen['TrainingInstanceType']} for {spot}training job usage"
    return _compare(subject, name, 1)


def check_transform(subject: Subject) -> Finding:
    """Check that a batch transform fits into the quota: an evaluation runs one or two."""
    kind = subject.parameters["TransformInstanceType"]
    return _compare(subject, f"{kind} for transform job usage", 1)


def check_hosting(subject: Subject) -> Finding:
    """Check that a promotion fits into the quota of its instance type."""
    kind = subject.parameters["HostingInstanceType"]
    return _compare(subject, f"{kind} for endpoint usage", _hosted(subject))


def check_endpoints(subject: Subject) -> Finding:
    """Check that a promotion fits into the quota of all endpoints."""
    return _compare(subject, ALL_ENDPOINTS, _hosted(subject))


def check_concurrency(subject: Subject) -> Finding:
    """Check that photos do not wait for each other because of Lambda's quota."""
    quota = subject.quotas["lambda"].get().get(CONCURRENCY)
    if quota is None:
        return _unlisted(subject, CONCURRENCY, "lambda")
    limit = int(quota["Value"])
    found = f"{CONCURRENCY}: {limit:,}"
    if limit < SUFFICIENT_CONCURRENCY:
        command = _request("lambda", quota["QuotaCode"], SUFFICIENT_CONCURRENCY)
        return warning(f"{found}, shared by all functions of the account", REQUEST, command)
    return ok(found)


def _hosted(subject: Subject) -> int:
    """Return the number of instances while a promotion ends: old ones, new ones, and staging."""
    return 2 * int(subject.parameters["HostingInstanceCount"]) + 1


def _compare(subject: Subject, name: str, needed: int) -> Finding:
    quota = subject.quotas["sagemaker"].get().get(name)
    if quota is None:
        return _unlisted(subject, name, "sagemaker")
    limit = int(quota["Value"])
    found = f"{name}: {limit:,}, needed: {needed}"
    if limit < needed:
        return problem(found, REQUEST, _request("sagemaker", quota["QuotaCode"], needed))
    return ok(found)


def _request(service: str, code: str, value: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code {service} "
        f"--quota-code {code} --desired-value {value}"
    )


def _unlisted(subject: Subject, name: str, service: str) -> Finding:
    return warning(
        f"Service Quotas lists no applied value of “{name}” in {subject.region}",
        "check that the instance type exists there for this use, and its quota",
        f"https://{subject.region}.console.aws.amazon.com/servicequotas/home/services/{service}"
        "/quotas",
    )
