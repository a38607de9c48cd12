"""Everything Outfitter raises on purpose.

OutfitterError              what a person can mend; the command line prints it and exits with 2
|-- SettingsError           a setting that does not fit
|-- HomeError               the home folder cannot be written, the disk is full, or MLflow's store does not answer
|   `-- LockedError         another process holds the home, or the lake on S3
|-- SourceError             a file or folder that cannot be read as the source it is said to be
|-- LakeError               a table or snapshot that is missing or does not fit
|   `-- OvertakenError      what was to be written rests on something that has changed meanwhile
|-- StoreError              the online store does not answer, or is somebody else's
|-- StoppedByValidation     a table-level expectation failed
|-- LeakError               something a model learns from, or is examined with, knows the future
`-- ModelError              an artifact or a fit that does not fit its data
    `-- NotEnoughData       too little to train or to compare on
"""

from __future__ import annotations


class OutfitterError(Exception):
    """A problem with a remedy: ``message`` says what and where, ``hint`` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[OutfitterError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class SettingsError(OutfitterError):
    """A setting has a value that does not fit."""


class HomeError(OutfitterError):
    """The home folder cannot be written, the disk behind it is full, or MLflow's store cannot be used."""


class LockedError(HomeError):
    """Another Outfitter process is writing to the same home, or to the same lake on S3."""


class SourceError(OutfitterError):
    """An input file or folder cannot be read as the source it is said to be."""


class LakeError(OutfitterError):
    """A table, a snapshot or a lake setting is missing or does not fit."""


class OvertakenError(LakeError):
    """What was to be written rests on a table, or on what is in production, that another has changed meanwhile. Nothing was written."""


class StoreError(OutfitterError):
    """The online store does not answer, cannot be used, or holds another home's features."""


class StoppedByValidation(OutfitterError):
    """A table-level expectation failed: nothing downstream may see these rows."""


class LeakError(OutfitterError):
    """A leak check failed: features, training rows or an exam know what had not happened yet."""


class ModelError(OutfitterError):
    """A model artifact is unreadable, or a model was asked for what it cannot do."""


class NotEnoughData(ModelError):
    """Too few rows to train on or to compare models on."""
