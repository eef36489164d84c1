"""Settings of all tests: examples have no deadlines, since computers differ in speed."""

from functools import cache

from botocore.loaders import JSONFileLoader
from hypothesis import settings

settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")

# Each session of boto3 reads the models of its services. Read a file once per process instead.
JSONFileLoader.load_file = staticmethod(cache(JSONFileLoader().load_file))  # type: ignore[method-assign]
