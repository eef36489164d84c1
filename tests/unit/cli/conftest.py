"""A deployed stack for each test."""

from tests.unit.cli.terminal import terminal
from tests.unit.operations.deployed import answers_here, clients, machines, session
from tests.unit.operations.reviewed import reviews_here

__all__ = ["answers_here", "clients", "machines", "reviews_here", "session", "terminal"]
