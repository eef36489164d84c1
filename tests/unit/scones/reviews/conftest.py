"""A stack with photos for each test."""

from tests.unit.operator.deployed import clients, session

__all__ = ["clients", "session"]
