"""Shortcuts in botocore and moto that make a request to moto take about a tenth less CPU.

Both compute for each request what is always the same. The unit tests make thousands of requests.
"""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

import pytest
from botocore.useragent import UserAgentString
from moto.core import responses, utils
from moto.core.base_backend import BaseBackend
from moto.s3 import urls
from moto.s3.models import S3Backend

Urls = dict[str, Callable[..., Any]]


def shorten_requests(patch: pytest.MonkeyPatch) -> None:
    """Compute a service's URLs, its operations' names and the user agent once."""
    patch.setattr(BaseBackend, "urls", property(_once_per_class(vars(BaseBackend)["urls"].fget)))
    # moto reloads this module for each request, because environment variables may have changed.
    patch.setattr(S3Backend, "_url_module", urls)
    patch.setattr(responses, "method_names_from_class", cache(utils.method_names_from_class))
    patch.setattr(responses, "gen_amzn_requestid_long", _numbered_ids())
    patch.setattr(UserAgentString, "to_string", lambda _: "Boto3")


def _once_per_class(compute: Callable[[Any], Urls]) -> Callable[[Any], Urls]:
    computed: dict[type, Urls] = {}

    def urls_of(backend: BaseBackend) -> Urls:
        if type(backend) not in computed:
            computed[type(backend)] = compute(backend)
        return computed[type(backend)]

    return urls_of


def _numbered_ids() -> Callable[[dict[str, str]], str]:
    """Return a function that counts requests; moto draws 52 random characters for each."""
    numbers = count(1)

    def set_id(headers: dict[str, str]) -> str:
        headers["x-amzn-requestid"] = f"{next(numbers):052}"
        return headers["x-amzn-requestid"]

    return set_id
