"""Text: cut into content-addressed chunks, split once and for all into train and heldout."""

from taonet.corpus.build import build_corpus, find_or_build_corpus
from taonet.corpus.domain.cutting import Chunk
from taonet.corpus.domain.splitting import Split
from taonet.corpus.errors import CorpusDamaged, CorpusError, CorpusMissing, NothingToRead
from taonet.corpus.manifest import (
    Manifest,
    find_shared_texts,
    load_manifest,
    read_chunks,
    verify_corpus,
)
from taonet.corpus.records import HubDataset, Records
from taonet.corpus.sources import Source, python_library

__all__ = [
    "Chunk",
    "CorpusDamaged",
    "CorpusError",
    "CorpusMissing",
    "HubDataset",
    "Manifest",
    "NothingToRead",
    "Records",
    "Source",
    "Split",
    "build_corpus",
    "find_or_build_corpus",
    "find_shared_texts",
    "load_manifest",
    "python_library",
    "read_chunks",
    "verify_corpus",
]
