"""
Makes the passwords of the containers, as files in `secrets/`, where they are missing.

A container reads them under another uid, so the files are readable; their folder is not.
"""

import secrets
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "secrets"
OWNERS = ("chain", "chain_follower", "validator_1", "validator_2", "exchange", "bitcoin", "reader")
PASSWORDS = ("postgres_password", "redis_password", "grafana_password")
SHARED = (
    *("bitcoin_rpc_password", "exchange_signer_token", "exchange_operator_token"),
    *("exchange_wallet_passphrase", "wallet_password"),
)


def main() -> None:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    for name in (*PASSWORDS, *SHARED, *(f"{owner}_password" for owner in OWNERS)):
        ensure(name, secrets.token_hex(24))
    for owner in OWNERS:
        login = f"{owner}:{read(f'{owner}_password')}"
        ensure(f"{owner}_database_url", f"postgresql://{login}@postgres:5432/postgres")
    admin = f"postgres:{read('postgres_password')}"
    ensure("admin_database_url", f"postgresql://{admin}@postgres:5432/postgres")
    ensure("bitcoin_url", f"http://taonet:{read('bitcoin_rpc_password')}@bitcoin:18443")
    ensure("redis_url", f"redis://:{read('redis_password')}@valkey:6379/0")


def ensure(name: str, value: str) -> None:
    file = FOLDER / name
    if not file.exists():
        file.write_text(value)
        file.chmod(0o444)


def read(name: str) -> str:
    return (FOLDER / name).read_text()


if __name__ == "__main__":
    main()
