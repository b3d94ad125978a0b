"""A step of every start: the wallets and the corpus, made where they are missing."""

from pathlib import Path

from taonet.corpus import build_corpus
from taonet.kit.keys import ensure_wallet
from taonet.kit.logging import configure_logging, get_logger
from taonet.local.settings import FirstStartSettings

WALLETS = {
    "operator": ["server-1", "server-2", "server-3", "server-4", "validator-1", "validator-2"],
    "chain": ["author"],
    "demo": ["default"],
}
"""Coldkeys and their hotkeys: who runs the neurons, who signs the blocks, who buys inference."""

log = get_logger(__name__)


def main() -> None:
    settings = FirstStartSettings()
    configure_logging("first-start", settings.log_level)
    for name, hotkeys in WALLETS.items():
        ensure_wallet(Path(settings.wallet_path).expanduser(), name, hotkeys)
    corpus = Path(settings.corpus_path).expanduser()
    build_corpus(corpus, progress=lambda sentence: log.info(sentence))


if __name__ == "__main__":
    main()
