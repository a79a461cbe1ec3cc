"""A Celery application that tracks purchases: `celery --app celery_app worker`, and `CELERY_BROKER_URL` for its broker.

The processes of a Celery worker end without running functions of `atexit`, so a signal closes the client.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown

from sociallive_analytics import Analytics

app = Celery("shop", broker=os.environ.get("CELERY_BROKER_URL", "memory://"))
if folder := os.environ.get("CELERY_BROKER_FOLDER"):
    app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder}
analytics = Analytics()


@app.task
def complete_order(user_id: str, order: dict[str, Any]) -> None:
    """Complete an order, and track the purchase."""
    analytics.track("purchase", order, user_id=user_id)


@worker_process_shutdown.connect
def close_analytics(**_: object) -> None:
    """Flush what this process has queued."""
    analytics.close()
