"""What all tests share: no example of a property has a deadline, since machines are noisy."""

from hypothesis import settings

settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")
