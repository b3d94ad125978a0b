"""The split: a document's name alone decides whether Servers may learn from it.

Were it the text, another patch release of the same document could fall on the other side, and a
Server trained on that release would have seen what the Validators hold back.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import Literal

from taonet.corpus.domain.cutting import Chunk, Document, cut_document

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")

HELDOUT_SHARE = 0.10
"""The part of all documents that is held out, on average."""

FRESH = "fresh"
"""The source whose documents are all held out: text that nobody else has seen."""


def choose_split(document_name: str, heldout_share: float = HELDOUT_SHARE) -> Split:
    """heldout iff the first 64 bits of sha256(name), as a fraction of 2^64, lie below the share.

    What is fresh is always held out.
    """
    if document_name.startswith(f"{FRESH}/"):
        return "heldout"
    digest = hashlib.sha256(document_name.encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    return "heldout" if fraction < heldout_share else "train"


def split_documents(documents: Iterable[Document]) -> dict[Split, list[Chunk]]:
    """All chunks by split, in the order of the documents' names, each text once.

    A text found on both sides stays held out only: what Validators ask must not be in train.
    """
    by_split: dict[Split, list[Document]] = {split: [] for split in SPLITS}
    for document in sorted(documents, key=lambda document: document.name):
        by_split[choose_split(document.name)].append(document)

    seen: set[str] = set()
    heldout = take_unseen(by_split["heldout"], seen)
    train = take_unseen(by_split["train"], seen)
    return {"train": train, "heldout": heldout}


def take_unseen(documents: Iterable[Document], seen: set[str]) -> list[Chunk]:
    """The chunks whose normalised text is not in `seen`, which grows by them."""
    taken = []
    for document in documents:
        for chunk in cut_document(document):
            digest = normalised_digest(chunk.text)
            if digest not in seen:
                seen.add(digest)
                taken.append(chunk)
    return taken


def normalised_digest(text: str) -> str:
    """sha256 of the text without what a reformatting changes: case, and how wide white space is."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return hashlib.sha256(" ".join(folded.split()).encode()).hexdigest()
