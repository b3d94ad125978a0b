"""Where the starter models and the network's tokenizer lie."""

from pathlib import Path

PACKAGE = Path(__file__).parent
STARTER_MODELS = next(
    # Within an installed package; beside it in a checkout.
    (folder for folder in (PACKAGE / "models", PACKAGE.parent / "models") if folder.is_dir()),
    PACKAGE.parent / "models",
)
NETWORK_TOKENIZER = STARTER_MODELS / "tokenizer.json"
