"""What a job may be made of."""

import pickle

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads, prepare_accept_content

from taonet.kit.queue import create_celery


def test_a_job_is_json_and_never_a_program() -> None:
    app = create_celery("bookshop", "redis://127.0.0.1:1/0", (), "bookshop")
    accepted = prepare_accept_content(app.conf.accept_content)
    kind, encoding, body = dumps({"title": "dune"}, serializer=app.conf.task_serializer)
    program = pickle.dumps(print)

    assert loads(body, kind, encoding, accept=accepted) == {"title": "dune"}
    with pytest.raises(ContentDisallowed):
        loads(program, "application/x-python-serialize", "binary", accept=accepted)
