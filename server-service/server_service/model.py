"""One model as its Server sees it: the reference, and the fast writer beside it."""

from collections.abc import Callable

from server_service.batcher import STREAMS_MAX, Batcher
from server_service.domain.text import Decode
from server_service.engine import Engine, ModelFacts
from server_service.foreign import Translation, translate_job
from server_service.forwarding import ForwardJob
from server_service.generation import GenerateJob, Generation
from server_service.lanes import Lanes
from server_service.writing import FastWriter
from taonet.kit.errors import Malformed

LANES_MAX = 2
"""Batches of texts that are written at once. With more, each text alone becomes slower."""


class ServedModel:
    """Routes each request to what can answer it exactly. Safe to use from any thread."""

    def __init__(
        self,
        engine: Engine,
        writer: FastWriter | None,
        decode: Decode,
        queue_size: int,
        translation: Translation | None = None,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self.facts: ModelFacts = engine.facts
        self._translation = translation
        self._decode = decode
        self._batcher = Batcher(engine, queue_size, streams_max)
        self._lanes = Lanes(writer, LANES_MAX, queue_size) if writer else None

    def start(self) -> None:
        self._batcher.start()
        if self._lanes:
            self._lanes.start()

    def stop(self) -> None:
        if self._lanes:
            self._lanes.stop()
        self._batcher.stop()

    @property
    def alive(self) -> bool:
        return self._batcher.alive and (self._lanes is None or self._lanes.alive)

    @property
    def translated(self) -> bool:
        """Whether the model writes other tokens than the network's."""
        return self._translation is not None

    @property
    def busy(self) -> bool:
        return self._batcher.busy or (self._lanes is not None and self._lanes.busy)

    def submit_forward(self, job: ForwardJob) -> None:
        self._batcher.submit_forward(job)

    def submit_text(self, job: GenerateJob) -> None:
        if self._translation:
            if job.grammar is not None or job.steering.logit_bias:
                # Both speak of the network's tokens, and this model writes others.
                raise Malformed(
                    "this Server's model has a tokenizer of its own: it takes no json_schema and "
                    "no logit_bias; ask another"
                )
            translate_job(job, self._translation, self.facts.context_length)
        text = Generation(job, self._decode, self.facts.end_tokens)
        submit: Callable[[Generation], None] = self._batcher.submit_generation
        if self._lanes and job.is_plain:
            submit = self._lanes.submit
        submit(text)

    def swap(self, engine: Engine, writer: FastWriter | None) -> None:
        """Go on with better weights of the same shape; nobody's request is dropped."""
        self._batcher.swap_engine(engine)
        if self._lanes and writer:
            self._lanes.swap_writer(writer)
