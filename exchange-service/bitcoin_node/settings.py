"""What the Bitcoin node of the box reads from its environment."""

from taonet.kit.settings import LogSettings


class NodeSettings(LogSettings):
    """Settings of the regtest node; a real one has the same in its bitcoin.conf."""

    database_url: str
    """Postgres, as the node's own role."""
    bitcoin_rpc_user: str = "taonet"
    """Who may call the node."""
    bitcoin_rpc_password: str
    """What the caller shows (bitcoin.conf: rpcpassword)."""
    bitcoin_block_seconds: float = 2.0
    """Time between two blocks; 0: only when asked to."""
    bitcoin_block_fee_rate: float = 0.0
    """Satoshi per virtual byte below which nothing is mined (bitcoin.conf: blockmintxfee)."""
