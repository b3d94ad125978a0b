"""Traces from process to process, by header and by hash, into a collector's hands."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from taonet.kit import tracing
from taonet.kit.web import create_app

DIGEST = "0123456789abcdef" * 4


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.use_provider(tracing.make_provider("test", SimpleSpanProcessor(exporter)))
    yield exporter
    tracing.use_provider(None)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def ids(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def test_a_request_goes_on_with_its_callers_trace(spans: InMemorySpanExporter) -> None:
    app = create_app("bookshop", title="Bookshop")
    with TestClient(app) as client, tracing.asking("buy a book") as headers:
        answer = client.get("/healthz", headers=headers)

    asked, answered = by_name(spans)["buy a book"], by_name(spans)["GET /healthz"]
    assert answered.parent is not None
    assert answered.parent.span_id == ids(asked).span_id
    assert ids(answered).trace_id == ids(asked).trace_id
    told = dict(answered.attributes or {})
    assert told["taonet.request_id"] == answer.headers["x-request-id"]
    assert told["http.response.status_code"] == 200


def test_what_a_hash_names_is_one_trace_though_nobody_passed_it_on(
    spans: InMemorySpanExporter,
) -> None:
    tracing.note_beginning("taken in", DIGEST)
    with tracing.span("seal a block"):
        tracing.note_step("in a block", DIGEST, height=7)

    first, then = by_name(spans)["taken in"], by_name(spans)["in a block"]
    block = by_name(spans)["seal a block"]
    assert ids(first).trace_id == int(DIGEST[:32], 16)
    assert first.parent is None
    assert then.parent is not None
    assert then.parent.span_id == ids(first).span_id
    assert ids(then).trace_id == ids(first).trace_id
    assert [link.context.span_id for link in then.links] == [ids(block).span_id]
    assert ids(block).trace_id != ids(first).trace_id


def test_nothing_is_made_or_sent_where_nobody_asked_for_traces() -> None:
    with tracing.span("unseen") as unseen:
        tracing.note_beginning("unseen", DIGEST)
        with tracing.asking("unseen") as headers:
            assert headers == {}

    assert not unseen.is_recording()


def test_spans_reach_a_collector_over_http() -> None:
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        tracing.configure_tracing("test", url)
        provider = tracing._provider
        try:
            with tracing.span("seen"):
                pass
            provider.shutdown()  # type: ignore[union-attr]
        finally:
            tracing.use_provider(None)
            collector.shutdown()
            thread.join()

    [resource] = received[0].resource_spans
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["seen"]
    assert "taonet-test" in str(resource.resource)
