"""The network's tokenizer: byte-level BPE, learned once from the train split, for all models."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from server_service.domain.recipe import CONTEXT_TOKENS, VOCABULARY
from server_service.training.errors import TrainingError

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|pad|>"
END_OF_TEXT_ID = 0
PADDING_ID = 1

CHAT_TEMPLATE = """\
{%- for message in messages -%}
# {{ message['role'] }}: {{ message['content'] | trim | replace('\\n', '\\n# ') }}
{{ '' }}
{%- endfor -%}
{%- if add_generation_prompt %}
{{ '' }}
def answer():
    \"\"\"
{%- endif -%}
"""
"""A conversation as Python comments, the answer as a documentation string: the prose that these
models have read most of, and complete best."""


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if (size := tokenizer.get_vocab_size()) != vocabulary:
        raise TrainingError(f"the text gives {size} tokens instead of {vocabulary}: add more text")
    return tokenizer


def write_tokenizer(folder: Path, tokenizer_bytes: bytes) -> None:
    """The files by which AutoTokenizer finds the tokenizer and its chat template."""
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": PADDING,
        "model_max_length": CONTEXT_TOKENS,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer.json").write_bytes(tokenizer_bytes)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def load_tokenizer(path: Path) -> Tokenizer:
    if not path.exists():
        raise TrainingError(f"there is no {path}: name a model's folder")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise TrainingError(
            f"{path} is not a tokenizer ({error}): remove it to make a new one"
        ) from error


def calculate_tokenizer_hash(path: Path) -> str:
    """sha256 of tokenizer.json as it lies on the disk: the hash that the chain keeps."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
