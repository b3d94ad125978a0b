"""What a job may be made of."""

import pickle

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import dumps, loads

from taonet.kit.queue import create_celery


def test_a_job_is_json_and_never_a_program() -> None:
    app = create_celery("bookshop", "redis://127.0.0.1:1/0", (), "bookshop")
    kind, encoding, body = dumps({"title": "dune"}, serializer=app.conf.task_serializer)

    assert loads(body, kind, encoding, accept=app.conf.accept_content) == {"title": "dune"}
    with pytest.raises(ContentDisallowed):
        loads(
            pickle.dumps(print), "application/x-python-serialize", "binary", app.conf.accept_content
        )
