"""Pages of the documentation are followed with drawn photos."""

from tests.drawn import drawn

__all__ = ["drawn"]
