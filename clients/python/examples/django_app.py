"""A Django application in one file that tracks views: `python django_app.py runserver`.

The middleware sets the user of all events that a request tracks. The client opens its connection with the first event
of each process, so that it works with servers that fork.
"""

import sys
from collections.abc import Callable

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from sociallive_analytics import Analytics

settings.configure(
    DEBUG=True,
    SECRET_KEY="of an example",  # noqa: S106
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.analytics_context"],
)
analytics = Analytics()


def analytics_context(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Make the middleware."""

    def handle(request: HttpRequest) -> HttpResponse:
        with analytics.context(
            user_id=request.headers.get("x-user", ""), user_agent=request.headers.get("user-agent", "")
        ):
            return get_response(request)

    return handle


def show_post(_: HttpRequest, post_id: str) -> HttpResponse:
    """Show a post, and track that it was viewed."""
    event_id = analytics.track_view(content_type="post", content_id=post_id)
    return JsonResponse({"post": post_id, "event": event_id})


urlpatterns = [path("posts/<post_id>", show_post)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
