"""The held-out text as tokens: read once per process, at the first round."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from taonet.corpus import load_manifest, read_chunks
from taonet.kit.logging import get_logger
from validator_service.domain.prompts import Shape, Text, join_documents

CHARACTERS_MAX = 2_000_000
"""How much held-out text a process keeps; more would only take memory."""

log = get_logger(__name__)


def corpus_stamp(corpus_path: str) -> str:
    """Return what changes whenever the corpus is another."""
    return load_manifest(Path(corpus_path).expanduser()).fingerprint


def load_text(corpus_path: str, tokenizer: Tokenizer, shape: Shape) -> Text:
    """Tokenise the held-out chunks, in the order of their hashes, up to the limit."""
    folder = Path(corpus_path).expanduser()
    chunks = sorted(read_chunks(folder, "heldout"), key=lambda chunk: chunk.id)
    documents, characters = [], 0
    for chunk in chunks:
        if characters > CHARACTERS_MAX:
            break
        characters += len(chunk.text)
        documents.append(np.array(tokenizer.encode(chunk.text).ids, dtype=np.int64))
    text = join_documents(documents, shape)
    log.info("held-out text read", chunks=len(documents), tokens=len(text.tokens))
    return text
