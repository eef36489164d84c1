"""A deployed stack for each test."""

from tests.unit.cli.terminal import terminal
from tests.unit.operations.deployed import clients, machines, session

__all__ = ["clients", "machines", "session", "terminal"]
