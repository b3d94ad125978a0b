"""The network's tokenizer, for questions, prompts and bills alike."""

from pathlib import Path

from tokenizers import Tokenizer


def load_tokenizer(path: str) -> Tokenizer:
    """
    Read the tokenizer. Text that spells a special token stays text to it: nobody can end a
    document by writing <|endoftext|>.
    """
    tokenizer: Tokenizer = Tokenizer.from_file(str(Path(path).expanduser()))
    tokenizer.encode_special_tokens = True
    return tokenizer
