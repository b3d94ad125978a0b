"""The Celery application: `celery -A validator_service.worker worker` and `… beat`."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init
from kombu import Queue  # type: ignore[attr-defined]

from taonet.kit.db import migrate
from taonet.kit.logging import configure_logging
from taonet.kit.queue import create_celery
from validator_service.rounds.context import Context
from validator_service.settings import ValidatorSettings

TASKS = ["validator_service.rounds.tasks", "validator_service.payouts.tasks"]
RECONCILE_SECONDS = 15.0
ADVANCE_SECONDS = 2.0
"""Time between two looks at payments under way."""
QUEUES = {
    "validator.score_round": "rounds",
    "validator.resume_round": "rounds",
    "validator.reconcile": "rounds",
    "validator.score_answers": "scoring",
    "validator.set_weights": "weights",
    "validator.open_payout": "payouts",
    "validator.advance_payments": "payouts",
}


def create_worker(settings: ValidatorSettings) -> Celery:
    """Return the application with its queues and its clock; nothing is opened yet."""
    app = create_celery("validator", settings.redis_url, TASKS, prefix=settings.validator_name)
    app.conf.update(
        task_queues=[Queue(name) for name in sorted(set(QUEUES.values()))],
        task_default_queue="rounds",
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        worker_concurrency=1,
        # Beat keeps no file: its only schedules are intervals, which begin anew with it.
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "score_round": every("validator.score_round", settings.validator_round_seconds),
            "reconcile": every("validator.reconcile", RECONCILE_SECONDS),
            "open_payout": every("validator.open_payout", settings.validator_payout_seconds),
            "advance_payments": every("validator.advance_payments", ADVANCE_SECONDS),
        },
    )
    # Each part of it opens at its first use, in the process that works.
    app.validator_context = Context(settings)
    worker_init.connect(lambda **_: migrate(settings.database_url, "validator_service"), weak=False)
    setup_logging.connect(lambda **_: set_up_logging(settings), weak=False)
    return app


def set_up_logging(settings: ValidatorSettings) -> None:
    configure_logging(settings.validator_name, settings.log_level)
    for noisy in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def every(task: str, seconds: float) -> dict[str, Any]:
    # A bell that nobody heard within its period is not worth ringing any more.
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


# One thread is plenty for a tokenizer, and none of its own survives Celery's fork.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
celery = create_worker(ValidatorSettings())
