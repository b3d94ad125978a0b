"""Where the commands look when nobody told them: the cluster that runs on this machine."""

import json
import os
from pathlib import Path

HOME_DEFAULT = "~/.taonet"
FIRST_VALIDATOR = "validator-1"
URLS = {
    "TAONET_CHAIN_URL": "chain",
    "TAONET_GATEWAY_URL": "validator-1-gateway",
    "TAONET_EXCHANGE_URL": "exchange",
}
"""Which setting follows from whose port."""
FILES = {
    "TAONET_WALLET_PATH": "wallets",
    "TAONET_CORPUS_PATH": "corpus",
    "TAONET_EXCHANGE_OPERATOR_TOKEN_FILE": "secrets/exchange_operator",
    "TAONET_SIMULATED_TRADERS_FILE": "simulated-traders.json",
}
"""Which setting is what place in the home."""


def point_at_cluster() -> None:
    """Set what is not set: the addresses in the local cluster's state, and where its files are."""
    home, ports = find_cluster()
    if not ports:
        return
    for variable, name in URLS.items():
        if name in ports:
            os.environ.setdefault(variable, f"http://127.0.0.1:{ports[name]}")
    for variable, place in FILES.items():
        os.environ.setdefault(variable, str(home / place))


def find_cluster() -> tuple[Path, dict[str, int]]:
    """Return the local cluster's home, and its ports: none where there is no cluster."""
    home = Path(os.environ.get("TAONET_HOME", HOME_DEFAULT)).expanduser()
    try:
        ports: dict[str, int] = json.loads((home / "state.json").read_text())["ports"]
    except (OSError, ValueError, KeyError):
        ports = {}
    return home, ports


def point_at_validator() -> None:
    """
    Set what is not set so that one can look into a Validator of the local cluster: the one that
    TAONET_VALIDATOR_NAME names, else the first.
    """
    from taonet.kit.errors import NotFound
    from taonet.local.home import Home
    from taonet.local.postgres import postgres_url
    from taonet.local.secret_files import load_secret
    from taonet.local.settings import LocalSettings
    from taonet.local.stores import Stores
    from taonet.local.valkey import valkey_url

    path, ports = find_cluster()
    name = os.environ.setdefault("TAONET_VALIDATOR_NAME", FIRST_VALIDATOR)
    owner, secrets = name.replace("-", "_"), Home(path).secrets
    passwords = {each: load_secret(secrets, each) for each in ("postgres", "valkey")}
    own = load_secret(secrets, f"database-{owner}")
    if ports and own is None and "TAONET_DATABASE_URL" not in os.environ:
        raise NotFound(
            f"no Validator {name!r} in {path}: TAONET_VALIDATOR_NAME names another, or "
            "TAONET_DATABASE_URL and TAONET_REDIS_URL lead to one elsewhere"
        )
    if own is None or not ports.keys() >= passwords.keys():
        return
    stores = Stores(
        postgres_url(ports["postgres"], str(passwords["postgres"])),
        valkey_url(ports["valkey"], str(passwords["valkey"])),
        {owner: own},
    )
    settings = {
        "DATABASE_URL": stores.url(owner),
        "REDIS_URL": stores.redis_url,
        "WALLET_NAME": "operator",
        "HOTKEY_NAME": name,
        "TOKENIZER_PATH": f"{LocalSettings().models()}/tokenizer.json",
    }
    for variable, value in settings.items():
        os.environ.setdefault(f"TAONET_{variable}", value)
