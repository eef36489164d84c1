import pytest

from scones_local.ministack.event_delivery import _require_permission
from scones_local.ministack.permissions import DeniedError


def test_a_target_whose_permissions_are_unknown_is_refused() -> None:
    target = {
        "Arn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/s",
        "RoleArn": "arn:aws:iam::123456789012:role/r",
    }
    with pytest.raises(DeniedError, match="firehose"):
        _require_permission(target, {"Source": "tests"}, {})
