"""The fixtures of the Validator's tests: text, keys, a chain and Servers to judge."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bittensor_wallet import Keypair
from tests.validator_service.stand_ins import (
    SENTENCES,
    VOCABULARY,
    HttpThread,
    StubChain,
    StubServer,
    StubWire,
    chain_app,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from taonet.corpus import Source, build_corpus
from taonet.kit.keys import ensure_wallet


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of a few hundred sentences in no order, all held out."""
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    source = tmp_path_factory.mktemp("source")
    for number in range(60):
        text = "".join(SENTENCES[i] for i in random.integers(0, len(SENTENCES), 60))
        (source / f"{number}.txt").write_text(text)
    build_corpus(folder, [Source("stub", "1", "MIT", source)])
    return folder


@pytest.fixture(scope="session")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 10, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_path))


@pytest.fixture(scope="session")
def followers(tokenizer: Tokenizer) -> np.ndarray:
    """How often which token follows which: what a perfect stub knows."""
    random = np.random.default_rng(1)
    text = "".join(SENTENCES[i] for i in random.integers(0, len(SENTENCES), 500))
    ids = tokenizer.encode(text).ids
    counts = np.full((VOCABULARY, VOCABULARY), 1e-6)
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    table: np.ndarray = counts / counts.sum(axis=1, keepdims=True)
    return table


@pytest.fixture
def chain() -> Iterator[StubChain]:
    stub = StubChain()
    http = HttpThread(chain_app(stub))
    stub.url = http.url
    yield stub
    http.stop()


ServerMaker = Callable[..., StubServer]


@pytest.fixture
def make_server(
    chain: StubChain, followers: np.ndarray, tokenizer: Tokenizer
) -> Iterator[ServerMaker]:
    """Start Servers, each a neuron of the chain."""
    with contextlib.ExitStack() as stack:

        def make(
            skill: float = 1.0, behaviour: str = "honest", incentive: float = 0.0, **fields: Any
        ) -> StubServer:
            stub = StubServer(table=followers, skill=skill, behaviour=behaviour, **fields)
            stub.http = HttpThread(StubWire(stub, tokenizer).app)
            stack.callback(stub.http.stop)
            stub.uid = chain.add_neuron(stub.hotkey, axon=stub.axon, incentive=incentive)
            return stub

        yield make


@pytest.fixture
def environment(
    chain: StubChain,
    corpus: Path,
    tokenizer_path: Path,
    database: Callable[[str], str],
    redis_url: str,
    tmp_path: Path,
) -> dict[str, str]:
    """The environment of one Validator's processes."""
    ensure_wallet(tmp_path / "wallets", "validator", ["validator"])
    return {
        "TAONET_DATABASE_URL": database("validator_service"),
        "TAONET_REDIS_URL": redis_url,
        "TAONET_CHAIN_URL": chain.url,
        "TAONET_WALLET_PATH": str(tmp_path / "wallets"),
        "TAONET_WALLET_NAME": "validator",
        "TAONET_HOTKEY_NAME": "validator",
        "TAONET_CORPUS_PATH": str(corpus),
        "TAONET_TOKENIZER_PATH": str(tokenizer_path),
        "TAONET_VALIDATOR_NAME": "validator-1",
        "TAONET_VALIDATOR_ROUND_SECONDS": "1",
        "TAONET_VALIDATOR_ANSWER_SECONDS": "0.7",
        "TAONET_VALIDATOR_PRIVATE_ADDRESSES": "true",
    }


@pytest.fixture
def wait() -> Callable[..., None]:
    def until(condition: Callable[[], Any], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition never became true"
            time.sleep(0.05)

    return until


@pytest.fixture
def new_keypair() -> Any:
    return Keypair.create_from_uri("0x" + secrets.token_hex(32))
