"""What a worker's process holds from job to job: connections, keys, the held-out text."""

import asyncio
from functools import cached_property

import httpx
from psycopg_pool import ConnectionPool
from tokenizers import Tokenizer

from chain_service.client import ChainClient
from chain_service.schemas import Parameters
from server_service.client import ServerClient
from taonet.kit.db import open_pool
from taonet.kit.keys import Keypair, load_hotkey
from validator_service.dialling import GuardedTransport
from validator_service.domain.prompts import Text
from validator_service.ledger.deposits import load_seed
from validator_service.rounds.asking import CONCURRENCY_MAX
from validator_service.rounds.text import corpus_stamp, load_text
from validator_service.settings import ValidatorSettings
from validator_service.tokenizing import load_tokenizer

POOL_SIZE = 2
"""A worker's process does one thing at a time."""


class Context:
    """Opened in the process that works, never before a fork; each part at its first use."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self.settings = settings
        self._text: tuple[str, Text] | None = None

    @cached_property
    def pool(self) -> ConnectionPool:
        return open_pool(self.settings.database_url, size_max=POOL_SIZE)

    @cached_property
    def chain(self) -> ChainClient:
        return ChainClient(self.settings.chain_url)

    @cached_property
    def parameters(self) -> Parameters:
        return self.chain.parameters()

    @cached_property
    def hotkey(self) -> Keypair:
        s = self.settings
        return load_hotkey(s.wallet_path, s.wallet_name, s.hotkey_name)

    @cached_property
    def deposit_seed(self) -> str:
        settings = self.settings
        return load_seed(settings.wallet_path, settings.wallet_name, settings.hotkey_name)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.settings.tokenizer_path)

    @cached_property
    def vocabulary_size(self) -> int:
        size: int = self.tokenizer.get_vocab_size()
        return size

    @property
    def text(self) -> Text:
        """The held-out text, read again when the corpus was built anew."""
        built = corpus_stamp(self.settings.corpus_path)
        if self._text is None or self._text[0] != built:
            settings = self.settings
            text = load_text(settings.corpus_path, self.tokenizer, settings.shape())
            self._text = (built, text)
        return self._text[1]

    @cached_property
    def runner(self) -> asyncio.Runner:
        """One event loop for all rounds, so that connections to Servers stay open between them."""
        return asyncio.Runner()

    @cached_property
    def servers(self) -> ServerClient:
        limits = httpx.Limits(max_connections=CONCURRENCY_MAX, keepalive_expiry=60)
        transport = GuardedTransport(
            httpx.AsyncHTTPTransport(limits=limits, trust_env=False),
            private_allowed=self.settings.validator_private_addresses,
        )
        http = httpx.AsyncClient(transport=transport, trust_env=False)
        return ServerClient(self.hotkey, http, vocabulary_size=self.vocabulary_size)
