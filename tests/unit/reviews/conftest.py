"""A stack with photos for each test."""

from tests.unit.operations.deployed import clients, session

__all__ = ["clients", "session"]
