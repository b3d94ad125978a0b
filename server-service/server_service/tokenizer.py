"""The network's tokenizer: text to token ids and back, known by the hash of its file."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tokenizers import Tokenizer

from server_service.grammars import Grammars

FILE = "tokenizer.json"
HUB_SECONDS = 10.0
"""How long the hub may take to say whether it knows a name."""


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
    path = find_tokenizer(model)
    try:
        content = path.read_bytes()
        tokenizer = Tokenizer.from_buffer(content)
    # The tokenizers library raises bare exceptions.
    except Exception as error:
        raise ModelUnreadable(f"{model}: no tokenizer could be read: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    return NetworkTokenizer(tokenizer, digest, tokenizer.get_vocab_size())


def find_tokenizer(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_file():
        return folder
    if folder.is_dir():
        return folder / FILE
    # Names on the hub never begin so: without this the hub's own complaint would be shown.
    if model.startswith(("/", ".", "~")):
        raise ModelUnreadable(f"{model}: there is no such folder")
    try:
        return fetch_tokenizer(model)
    except (RepositoryNotFoundError, HFValidationError) as error:
        nowhere = "there is no such folder, and no model of that name on the hub that may be read"
        raise ModelUnreadable(f"{model}: {nowhere}") from error
    except LocalEntryNotFoundError as error:
        away = "there is no such folder; the hub is out of reach, and it was not fetched before"
        raise ModelUnreadable(f"{model}: {away}") from error
    # Of the hub's dozen kinds of errors, those that are not about the name.
    except Exception as error:
        raise ModelUnreadable(f"{model}: the hub gave no tokenizer: {error}") from error


def fetch_tokenizer(name: str) -> Path:
    """Return the file as the hub has it, or as it was fetched before where the hub is away.

    The hub is asked once before: the download itself would try for half a minute.
    """
    try:
        HfApi().model_info(name, timeout=HUB_SECONDS)
        away = False
    except (RepositoryNotFoundError, HFValidationError):
        raise
    except Exception:
        away = True
    return Path(hf_hub_download(name, FILE, local_files_only=away))
