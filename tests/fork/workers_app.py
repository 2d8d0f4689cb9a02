"""What gunicorn and celery serve in the tests: commands under limits, run by forked workers."""

from __future__ import annotations

import json
import os

import libmimir

MASTER = os.getpid()


def work() -> dict[str, object]:
    """Use the whole library, and tell what came of it."""
    usage = libmimir.get_platform_adapter().get_resource_usage(memory_limit=1 << 40, cpu_limit=1000)
    result = libmimir.run(["sh", "-c", "echo $((40 + 2))"], memory="256M", wall=30, capture_output=True, text=True)
    spin = libmimir.run(["sh", "-c", "while :; do :; done"], wall=0.2)
    return {
        "forked": os.getpid() != MASTER,
        "pid": os.getpid(),
        "memory": usage.memory_bytes,
        "out": result.stdout,
        "code": result.exit_code,
        "spin": spin.termination_reason,
        "other": libmimir.usage(os.getppid()).threads,
    }


def application(environ, start_response):
    body = json.dumps(work()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def celery_app():
    from celery import Celery

    app = Celery("workers_app", broker=os.environ["MIMIR_BROKER"], backend=os.environ["MIMIR_BACKEND"])
    app.conf.update(
        broker_transport_options={
            "data_folder_in": os.environ["MIMIR_FOLDER"],
            "data_folder_out": os.environ["MIMIR_FOLDER"],
            "control_folder": os.path.join(os.environ["MIMIR_FOLDER"], "control"),
            "polling_interval": 0.05,
        },
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    app.task(name="work")(work)
    return app


if os.environ.get("MIMIR_BROKER"):
    app = celery_app()
