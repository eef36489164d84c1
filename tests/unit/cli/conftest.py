"""A deployed stack for each test."""

from tests.unit.cli.terminal import terminal
from tests.unit.operations.deployed import clients, machines, session
from tests.unit.operations.reviewed import reviews_here

__all__ = ["clients", "machines", "reviews_here", "session", "terminal"]
