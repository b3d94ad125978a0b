"""The network's tokenizer: text to token ids and back, known by the hash of its file."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import hf_hub_download
from tokenizers import Tokenizer

from server_service.grammars import Grammars

FILE = "tokenizer.json"


class ModelUnreadable(Exception):
    """A model cannot be loaded; the message says which, and why."""


@dataclass(frozen=True, eq=False)
class NetworkTokenizer:
    tokenizer: Tokenizer
    sha256: str
    vocabulary_size: int

    @cached_property
    def grammars(self) -> Grammars:
        """Made when the first answer must follow a schema."""
        return Grammars(self.tokenizer.to_str())

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text


def load_tokenizer(model: str) -> NetworkTokenizer:
    """Read the tokenizer of a model folder, of a name on the hub, or a file."""
    folder = Path(model).expanduser()
    # Names on the hub never begin so: without this the hub's own complaint would be shown.
    if model.startswith(("/", ".", "~")) and not folder.exists():
        raise ModelUnreadable(f"{model}: there is no such folder")
    try:
        if folder.is_file():
            path = folder
        else:
            path = folder / FILE if folder.is_dir() else Path(hf_hub_download(model, FILE))
        content = path.read_bytes()
        tokenizer = Tokenizer.from_buffer(content)
    # The tokenizers library raises bare exceptions, the hub a dozen kinds.
    except Exception as error:
        lacking = "" if folder.exists() else "there is no such folder, and of that name on the hub "
        raise ModelUnreadable(f"{model}: {lacking}no tokenizer could be read: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    return NetworkTokenizer(tokenizer, digest, tokenizer.get_vocab_size())
