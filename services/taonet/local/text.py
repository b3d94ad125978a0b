"""A step of every start: the corpus, built where it is missing or another text than before."""

from pathlib import Path

from taonet.corpus import build_corpus
from taonet.kit.logging import configure_logging, get_logger
from taonet.local.settings import CorpusSettings

log = get_logger(__name__)


def main() -> None:
    settings = CorpusSettings()
    configure_logging("corpus", settings.log_level)
    target = Path(settings.corpus_path).expanduser()
    build_corpus(target, progress=lambda sentence: log.info(sentence))


if __name__ == "__main__":
    main()
