"""What is wrong with a dataset, by the names that state machines catch."""


class DatasetError(Exception):
    """The base of the errors that a person mends in the dataset or in the configuration."""


class DatasetEmpty(DatasetError):
    """There is no dataset where it should be."""


class UnknownClass(DatasetError):
    """A folder of the dataset is no configured class."""


class ClassWithoutPhotos(DatasetError):
    """A configured class has no folder, or no photo in it."""


class TooFewPhotos(DatasetError):
    """There are photos, but not enough to train or to validate on."""


class BadHyperparameters(DatasetError):
    """The configured hyperparameters can't be read, or say what is not theirs to say."""


class UnsupportedPhotos(DatasetError):
    """Photos are of a format that the algorithm does not read."""


class LastTrainedUnreadable(DatasetError):
    """The record of what was trained last is not what it should be."""
