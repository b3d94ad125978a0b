"""
Traces by OpenTelemetry: who asked whom, and how long each part took.

Off unless a collector's address is set: then nothing is imported and nothing costs. A trace goes
on from process to process by the header `traceparent`; one that leaves no header, such as an
extrinsic on its way into a block, is found again by ids that both sides derive from its hash.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from taonet.kit.errors import Refusal

Ids = tuple[int, int]
"""Of a trace, 16 bytes, and of its first span, 8 bytes."""

_provider: trace.TracerProvider | None = None
_chosen: ContextVar[Ids | None] = ContextVar("chosen", default=None)
"""The ids that the next span shall have, instead of random ones."""


class NoTracing(Refusal):
    """Traces are wanted, and what makes them is not installed."""


def configure_tracing(service: str, endpoint: str) -> None:
    """Send this process's spans to a collector, by OTLP over HTTP; an empty address: none."""
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise NoTracing("TAONET_TRACES_ENDPOINT is set: pip install 'taonet[traces]'") from None
    use_provider(make_provider(service, BatchSpanProcessor(OTLPSpanExporter(endpoint))))


def make_provider(service: str, processor: Any) -> trace.TracerProvider:
    """Return a provider whose spans go to a processor."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class ChosenIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            chosen = _chosen.get()
            return chosen[0] if chosen else super().generate_trace_id()

        def generate_span_id(self) -> int:
            chosen = _chosen.get()
            return chosen[1] if chosen else super().generate_span_id()

    resource = Resource.create({"service.name": f"taonet-{service}"})
    provider = TracerProvider(resource=resource, id_generator=ChosenIds())
    provider.add_span_processor(processor)
    return provider


def use_provider(provider: trace.TracerProvider | None) -> None:
    """Make spans by this provider from now on; None: make none."""
    global _provider
    _provider = provider


def is_tracing() -> bool:
    return _provider is not None


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    headers: Mapping[str, str] | None = None,
    **attributes: str | int | float,
) -> Iterator[Span]:
    """Measure a part of the work; `headers` are those by which somebody else's trace goes on."""
    if _provider is None:
        yield trace.INVALID_SPAN
        return
    context = extract(headers) if headers is not None else None
    with _provider.get_tracer("taonet").start_as_current_span(
        name, context=context, kind=kind, attributes=attributes
    ) as begun:
        yield begun


@contextmanager
def asking(name: str, **attributes: str | int | float) -> Iterator[dict[str, str]]:
    """Measure a question to another service; the headers given let it go on with the trace."""
    headers: dict[str, str] = {}
    if _provider is None:
        yield headers
        return
    # Never the current span: an answer that streams may end in another task than it began.
    begun = _provider.get_tracer("taonet").start_span(
        name, kind=SpanKind.CLIENT, attributes=attributes
    )
    inject(headers, context=trace.set_span_in_context(begun))
    try:
        yield headers
    except Exception as error:
        begun.record_exception(error)
        raise
    finally:
        begun.end()


def ids_of(digest: str) -> Ids:
    """Return the ids that everybody derives from a hash, in hexadecimal."""
    return int(digest[:32], 16), int(digest[32:48], 16)


def note_beginning(name: str, digest: str, **attributes: str | int | float) -> None:
    """Begin the trace of what a hash names, as a moment that links to the work under way."""
    _note(name, digest, begins=True, attributes=attributes)


def note_step(name: str, digest: str, **attributes: str | int | float) -> None:
    """Go on with the trace of what a hash names, as a moment that links to the work under way."""
    _note(name, digest, begins=False, attributes=attributes)


def _note(name: str, digest: str, *, begins: bool, attributes: Mapping[str, Any]) -> None:
    if _provider is None:
        return
    here = trace.get_current_span().get_span_context()
    links: Sequence[Link] = [Link(here)] if here.is_valid else []
    first = SpanContext(*ids_of(digest), is_remote=True, trace_flags=TraceFlags(1))
    parent = trace.INVALID_SPAN if begins else NonRecordingSpan(first)
    token = _chosen.set(ids_of(digest) if begins else None)
    try:
        _provider.get_tracer("taonet").start_span(
            name, context=trace.set_span_in_context(parent), links=links, attributes=attributes
        ).end()
    finally:
        _chosen.reset(token)
