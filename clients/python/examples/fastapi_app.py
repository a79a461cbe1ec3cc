"""A FastAPI application that tracks views: `fastapi dev fastapi_app.py`, or `uvicorn fastapi_app:app`.

The client lives as long as the application: its end flushes what is queued.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from sociallive_analytics import AsyncAnalytics

analytics = AsyncAnalytics()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the client with the application."""
    async with analytics:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/posts/{post_id}")
async def show_post(post_id: str, request: Request) -> dict[str, str | None]:
    """Show a post, and track that it was viewed."""
    event_id = await analytics.track_view(
        content_type="post", content_id=post_id, user_id=request.headers.get("x-user", "")
    )
    return {"post": post_id, "event": event_id}
