"""The network's tokenizer, for questions, prompts and bills alike."""

from pathlib import Path

from tokenizers import Tokenizer

from server_service.starters import NETWORK_TOKENIZER
from validator_service.domain.logprobs import byte_alphabet, read_token


def load_tokenizer(path: str) -> Tokenizer:
    """
    Read the tokenizer, the starter network's where no path is given. Text that spells a special
    token stays text to it: nobody can end a document by writing <|endoftext|>.
    """
    tokenizer: Tokenizer = Tokenizer.from_file(str(Path(path or NETWORK_TOKENIZER).expanduser()))
    tokenizer.encode_special_tokens = True
    return tokenizer


def load_token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """Return what each token stands for, by id: a part of a character is no text by itself."""
    alphabet = byte_alphabet()
    return [
        read_token(tokenizer.id_to_token(token) or "", alphabet)
        for token in range(tokenizer.get_vocab_size())
    ]
