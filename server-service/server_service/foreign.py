"""A model whose tokenizer is not the network's: it reads and answers through text."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
from tokenizers import Tokenizer

from server_service.domain.phrases import normalise
from server_service.domain.spelling import Reading, Spelling, bytes_of_characters, read_row
from server_service.engine import DecodeBatch, Engine, Floats, ModelFacts, Tokens
from server_service.generation import Emit, Finish, GenerateJob, Piece, Top
from server_service.schemas import FinishReason
from server_service.tokenizer import ModelUnreadable, NetworkTokenizer
from taonet.kit.errors import Refusal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
PROBABILITY_MIN = 1e-9
"""What the least likely network token gets, so that its logarithm is a number."""


class Translation:
    """Between the tokenizers of one model and of the network."""

    def __init__(
        self, model: NetworkTokenizer, network: NetworkTokenizer, end_tokens: frozenset[int]
    ) -> None:
        self.network = network
        self._model = model
        self._bytes = read_token_bytes(network.tokenizer)
        specials = find_special_ids(network.tokenizer)
        self._ends = dict.fromkeys(specials, min(end_tokens)) if end_tokens else {}
        self.network_end = min(specials, default=0)
        self.spelling = Spelling(read_token_texts(model), network.encode, network.vocabulary_size)

    def read(self, row: list[int]) -> Reading:
        return read_row(row, self._bytes, self._encode, self._ends)

    def _encode(self, text: str) -> tuple[list[int], list[int]]:
        encoding = self._model.tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, [end for _, end in encoding.offsets]


class ForeignEngine:
    """Takes network tokens and gives logits over them; texts it writes in the model's own."""

    def __init__(self, engine: Engine, translation: Translation) -> None:
        self._engine = engine
        self._translation = translation
        self._facts = ModelFacts(
            **{**vars(engine.facts), "vocabulary_size": translation.network.vocabulary_size}
        )

    @property
    def facts(self) -> ModelFacts:
        return self._facts

    def next_logits(self, tokens: Tokens) -> Floats:
        """Rows of one length here have many lengths there: those that agree share a pass."""
        groups: dict[int, list[int]] = defaultdict(list)
        readings = [self._read(row) for row in tokens.tolist()]
        for row, reading in enumerate(readings):
            groups[len(reading.ids)].append(row)
        answers = np.empty((len(tokens), self.facts.vocabulary_size), np.float32)
        for rows in groups.values():
            ids = np.array([readings[row].ids for row in rows], dtype=np.int64)
            for row, logits in zip(rows, self._engine.next_logits(ids), strict=True):
                answers[row] = self._translate(logits, "")
        return answers

    def every_logits(self, tokens: Tokens) -> Floats:
        answers = np.zeros((*tokens.shape, self.facts.vocabulary_size), np.float32)
        for row, asked in enumerate(tokens.tolist()):
            reading = self._read(asked)
            logits = self._engine.every_logits(np.array([reading.ids], dtype=np.int64))[0]
            lost = len(asked) - len(reading.places)
            pairs = zip(reading.places, reading.begun, strict=True)
            for place, (count, begun) in enumerate(pairs, lost):
                if count:  # before the model's first token it has nothing to go by
                    answers[row, place] = self._translate(logits[count - 1], begun)
        return answers

    def hidden_states(self, tokens: Tokens) -> Floats:
        """At each network token, the state after the last of the model's that ends with it."""
        answers = np.zeros((*tokens.shape, self.facts.width), np.float32)
        for row, asked in enumerate(tokens.tolist()):
            reading = self._read(asked)
            states = self._engine.hidden_states(np.array([reading.ids], dtype=np.int64))[0]
            lost = len(asked) - len(reading.places)
            answers[row, lost:] = states[[max(count - 1, 0) for count in reading.places]]
        return answers

    def start_batch(self) -> DecodeBatch:
        return self._engine.start_batch()

    def _translate(self, logits: Floats, begun: str) -> Floats:
        translated = self._translation.spelling.translate(normalise(logits), begun)
        logarithms: Floats = np.log(np.maximum(translated, PROBABILITY_MIN))
        return logarithms

    def _read(self, row: list[int]) -> Reading:
        """What is too long for the model loses its beginning."""
        reading = self._translation.read(row)
        while len(reading.ids) > self._engine.facts.context_length:
            row = row[len(row) // 8 + 1 :]
            reading = self._translation.read(row)
        if not reading.ids:
            raise ValueError("the row holds no text")
        return reading


def translate_job(job: GenerateJob, translation: Translation, context_length: int) -> None:
    """Let the model read its own tokens, as many as leave room, and the caller the network's."""

    def stop() -> None:
        job.gone = True

    reading = translation.read(job.prompt)
    job.emit = Respelled(translation, job.emit, len(job.prompt), job.new_tokens, stop)
    job.prompt = list(reading.ids)[-max(context_length - job.new_tokens, 1) :]


class Respelled:
    """Turns what a model wrote into network tokens, for one text, and counts those."""

    def __init__(
        self,
        translation: Translation,
        emit: Emit,
        prompt_tokens: int,
        new_tokens: int,
        stop: Callable[[], None],
    ) -> None:
        self._translation = translation
        self._emit = emit
        self._prompt_tokens = prompt_tokens
        self._left = new_tokens
        self._new_tokens = new_tokens
        self._stop = stop
        self._logprob = 0.0
        self._ended = False

    def __call__(self, happened: Piece | Finish | Refusal) -> None:
        if isinstance(happened, Refusal):
            self._emit(happened)
        elif isinstance(happened, Finish):
            self._end(happened.finish_reason)
        else:
            self._spell(happened)

    def _spell(self, piece: Piece) -> None:
        """The first network token carries the probability of all; the others follow from it."""
        self._logprob += piece.logprob
        ids = self._translation.network.encode(piece.text)
        top = tuple(self._spell_top(it) for it in piece.top)
        text = piece.text
        for token in ids[: self._left]:
            self._emit(Piece(token, text, self._logprob, top))
            text, self._logprob, top = "", 0.0, ()
        self._left -= min(len(ids), self._left)
        if self._left == 0:
            self._end(FinishReason.LENGTH)
            self._stop()

    def _spell_top(self, top: Top) -> Top:
        ids = self._translation.network.encode(top.text)
        return Top(ids[0] if ids else self._translation.network_end, top.text, top.logprob)

    def _end(self, reason: FinishReason) -> None:
        if not self._ended:
            self._ended = True
            done = self._new_tokens - self._left
            self._emit(Finish(reason, self._prompt_tokens, done))


def read_token_bytes(tokenizer: Tokenizer) -> dict[int, bytes]:
    """The bytes of each plain token of a byte-level tokenizer, which the network's has to be."""
    alphabet = bytes_of_characters()
    specials = find_special_ids(tokenizer)
    try:
        return {
            token: bytes(alphabet[character] for character in name)
            for name, token in tokenizer.get_vocab().items()
            if token not in specials
        }
    except KeyError:
        raise ModelUnreadable("the network's tokenizer is not a byte-level one") from None


def find_special_ids(tokenizer: Tokenizer) -> set[int]:
    added = tokenizer.get_added_tokens_decoder()
    return {token for token, what in added.items() if what.special}


def read_token_texts(model: NetworkTokenizer) -> list[str]:
    """Each token's text within a line, where decoders trim nothing; "" for half a character."""
    anchor = model.encode("a")[-1:]
    before = model.decode(anchor)
    texts = []
    for token in range(model.vocabulary_size):
        text = model.decode([*anchor, token])[len(before) :]
        texts.append("" if REPLACEMENT in text else text)
    return texts
