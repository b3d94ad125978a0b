"""A tiny random transformer with the network's kind of tokenizer, made once a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.conftest import free_port
from tests.server_service.fake_chain import FakeChain, create_chain_app
from tests.server_service.serving import RunningServer, Surroundings, serving
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM

from server_service.pretrained import load_engine
from server_service.reference import TransformersEngine
from server_service.tokenizer import NetworkTokenizer, load_tokenizer
from taonet.kit.keys import Keypair

VOCABULARY = 2048
CONTEXT = 256


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        # Wide enough that the choices of a random model are not all the same.
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    train_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def train_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([Path(torch.__file__).read_text()], trainer)
    return tokenizer


@pytest.fixture(scope="session")
def tokenizer(model_folder: Path) -> NetworkTokenizer:
    return load_tokenizer(str(model_folder))


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> TransformersEngine:
    return load_engine(str(model_folder), VOCABULARY, threads=1)


@pytest.fixture(scope="session")
def caller() -> Keypair:
    return Keypair.create_from_uri("//Caller")


@pytest.fixture(scope="session")
def chain(caller: Keypair) -> FakeChain:
    chain = FakeChain()
    chain.add(caller.ss58_address, stake_rao=1000)
    return chain


@pytest.fixture(scope="session")
def surroundings(
    model_folder: Path,
    redis_server_url: str,
    chain: FakeChain,
    caller: Keypair,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Surroundings]:
    port = free_port()
    wallets = tmp_path_factory.mktemp("wallets")
    url = f"http://127.0.0.1:{port}"
    with serving(create_chain_app(chain), port):
        yield Surroundings(model_folder, redis_server_url, url, wallets, caller)


@pytest.fixture(scope="session")
def server(surroundings: Surroundings) -> Iterator[RunningServer]:
    """An honest Server."""
    with surroundings.run("honest") as server:
        yield server
