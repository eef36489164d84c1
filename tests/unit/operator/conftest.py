"""A deployed stack for each test."""

from tests.unit.operator.deployed import answers_here, clients, machines, session
from tests.unit.operator.reviewed import reviews_here

__all__ = ["answers_here", "clients", "machines", "reviews_here", "session"]
