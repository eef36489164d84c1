"""An object that does not exist is told only to who may list its bucket, as on AWS.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, under "Permissions".
"""

from collections.abc import Callable
from typing import Any

from ministack.core import router
from ministack.services import s3

from scones_local.ministack.patching import wrap
from scones_local.ministack.permissions import DeniedError, Permission, require_permission


def install() -> None:
    """Answer 403 where AWS does, and MiniStack says 404."""
    wrap(s3, "_get_object", _deny_instead_of_missing)
    wrap(s3, "_head_object", _deny_instead_of_missing)


def _deny_instead_of_missing(read: Callable[..., Any]) -> Callable[..., Any]:
    def run(bucket: str, key: str, headers: Any = None, query: Any = None) -> Any:
        response = read(bucket, key, headers, query)
        if response[0] != 404:
            return response
        access_key = router.extract_access_key_id(headers or {}, query or {})
        try:
            require_permission(access_key, Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
        except DeniedError:
            return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
        return response

    return run
