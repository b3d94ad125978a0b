"""The chain's settings, read once by `app` and `worker`."""

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field

from taonet.kit.settings import StoreSettings, WalletSettings


class ChainSettings(StoreSettings, WalletSettings):
    chain_preset: str = Field(
        "network", validation_alias=AliasChoices("TAONET_CHAIN_PRESET", "TAONET_PRESET")
    )
    """The rules of a new chain: network, box or mainnet-2022; an old chain keeps its own."""
    chain_follow: str = ""
    """The address of a chain to follow: execute its blocks again here, write none; empty: write."""
    chain_follow_author: str = ""
    """For a new follower: the author it expects; empty: whom the followed chain's genesis names."""
    chain_follow_trusted: str = ""
    """For a follower: `HEIGHT:HASH` of a block you trust; signatures up to it are not checked."""
    chain_tokenizer_path: Path | None = None
    """The tokenizer.json that a new chain fixes for all Servers; unset: any may serve."""
    chain_parameters: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    """Parameters of a new chain that differ from the preset's, as JSON: {"blocks_per_step": 5}."""
