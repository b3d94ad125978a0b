"""What can be wrong with a corpus, told so that the reader knows what to do."""

from taonet.kit.errors import Refusal


class CorpusError(Refusal):
    """A corpus cannot be built or read."""


class NothingToRead(CorpusError):
    """The sources hold no text."""


class CorpusMissing(CorpusError):
    """The folder holds no finished corpus."""


class CorpusDamaged(CorpusError):
    """The files are not those that the manifest describes."""
