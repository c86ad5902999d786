"""Everything that vocalics raises on purpose.

    VocalicsError
    ├── AudioError        a file or array that is not usable sound
    ├── CorpusError       a corpus folder, file name or code that is not as documented
    ├── ManifestError     a manifest file or row that cannot be trusted
    ├── LeakageError      a split with a speaker or a copy of a clip on both sides
    ├── FeatureError      a feature request that cannot be met
    ├── RecipeError       an unknown or ill-typed setting
    ├── ModelFileError    a model file that is not ours, damaged, or of another version
    ├── EncoderError      a pre-trained encoder that is not there, incomplete or of an unknown kind
    ├── StorageError      the database of calls, where it fails or its connection is lost
    ├── CompileError      a model that a device cannot hold or run, or a compiler that fails
    ├── UsageError        options or arguments of a command that no file could make right
    └── MissingExtraError an optional dependency that is not installed
        └── MissingPackageError  one that no extra brings

A message names the value and the file, what was expected, and what to do.
"""

from __future__ import annotations


class VocalicsError(Exception):
    """The root of all errors raised by vocalics; the command line prints it and exits with 1, or 2 for wrong usage."""


class AudioError(VocalicsError):
    """A file or array that is not usable sound."""


class CorpusError(VocalicsError):
    """A corpus folder, file name or code that is not as documented."""


class ManifestError(VocalicsError):
    """A manifest file or row that cannot be trusted."""


class LeakageError(VocalicsError):
    """A split with a speaker, or a copy of a clip, on both sides."""


class FeatureError(VocalicsError):
    """A feature request that cannot be met."""


class RecipeError(VocalicsError):
    """An unknown or ill-typed setting in a training recipe."""


class ModelFileError(VocalicsError):
    """A model file that is not ours, is damaged, or is of another version."""


class EncoderError(VocalicsError):
    """A pre-trained encoder that is not there, is incomplete, or is of an unknown kind."""


class StorageError(VocalicsError):
    """The database of calls fails, as where the connection to it is lost."""


class CompileError(VocalicsError):
    """A target that is unknown, a model that does not fit it, or a compiler that is not there or fails."""


class UsageError(VocalicsError):
    """Options or arguments contradict or lack one another, or one has a value that none can have, whatever files hold.

    The command line exits with 2.
    """


class MissingExtraError(VocalicsError):
    """An optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'; install it with: pip install 'vocalics[{extra}]'")
        self.extra = extra

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is made again of its message, which is not what this one is made of.
        return _again, (type(self), str(self), self.extra)


class MissingPackageError(MissingExtraError):
    """A library of others that is not installed, and that no extra brings."""

    def __init__(self, what: str, package: str) -> None:
        VocalicsError.__init__(self, f"{what} needs the package {package}; install it with: pip install {package}")
        self.extra = ""


def _again(kind: type[MissingExtraError], message: str, extra: str) -> MissingExtraError:
    """What a pickle of a missing extra becomes, as where a process of a pool raised it."""
    error = kind.__new__(kind, message)
    error.extra = extra
    return error
