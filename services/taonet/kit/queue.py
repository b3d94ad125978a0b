"""
Work and news through Redis: Celery for jobs, streams with consumer groups for events.

Delivery is at least once, so every job and every consumer is idempotent by id, and the truth
stays in Postgres: losing Redis loses time, never work.
"""

from collections.abc import Iterable

from celery import Celery

JOB_SECONDS_SOFT = 50
JOB_SECONDS_MAX = 60
SOFT_SHUTDOWN_SECONDS = 5
JOBS_OF_A_CHILD = 2_000
"""After so many a process is replaced, whatever it may have leaked."""


def create_celery(name: str, redis_url: str, task_modules: Iterable[str], prefix: str) -> Celery:
    """
    Return a Celery application whose jobs survive a killed worker and a restarted broker.

    `prefix` separates the keys of several users of one Redis. The settings were each measured to be
    needed: late acknowledgement and rejection re-run a job whose process died, the restore
    settings make that take seconds instead of minutes, prefetch 1 shares work fairly.
    """
    app = Celery(name, broker=redis_url, include=list(task_modules))
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_time_limit=JOB_SECONDS_MAX,
        task_soft_time_limit=JOB_SECONDS_SOFT,
        # On SIGQUIT a worker gives its jobs so long, then leaves them to the next one.
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        worker_enable_soft_shutdown_on_idle=True,
        worker_max_tasks_per_child=JOBS_OF_A_CHILD,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        broker_transport_options={
            "global_keyprefix": f"{prefix}:",
            "visibility_timeout": 3 * JOB_SECONDS_MAX,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
    )
    return app
