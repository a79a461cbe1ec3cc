"""`analytics segments`: which segments and blocks hold the raw events, and whether their bytes are those written."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
import orjson

from jobs import copy_events, rebuild
from jobs.open_segments import open_segments
from jobs.request import JobRequest
from runtime.logging import configure_logging
from runtime.person import name_person
from runtime.settings import Settings
from runtime.terminal import bytes_text, count_text, examples, open_console, print_line, print_table
from server.processes.database import describe_database
from server.secrets import load_secret
from storage.audit import AuditEntry, write_audit
from storage.blocks.pseudonyms import PURPOSE, Pseudonyms
from storage.postgres.existing import open_existing
from storage.segments.catalogue import Segment, WaitingBlock
from storage.segments.passes.rekeying import Rekeyed, rekey
from storage.segments.passes.verification import Damage, verify_stored
from storage.segments.store import SegmentStore

AnswerT = TypeVar("AnswerT")

EXIT_FAILED = 1


@click.group("segments", epilog=examples("analytics segments list", "analytics segments verify"))
@click.pass_context
def command(context: click.Context) -> None:
    """List the files that hold raw events, or check them.

    A write stores a block; blocks are sealed into segments, and segments are merged, by `analytics jobs`.
    """
    settings = Settings.from_environment()
    configure_logging(level="warning", form=settings.log_format, process="segments")
    context.obj = settings


@command.command("list", epilog=examples("analytics segments list", "analytics segments list --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def list_stored(settings: Settings, *, as_json: bool) -> None:
    """List the live segments, oldest first, and what waits in blocks."""
    segments, blocks = asyncio.run(_with_store(settings, _read))
    if as_json:
        listed = {"segments": list(map(_describe, segments)), "blocks": _describe_blocks(blocks)}
        click.echo(orjson.dumps(listed, option=orjson.OPT_UTC_Z))
        return
    console = open_console()
    rows = [
        (
            str(one.id),
            str(one.level),
            _moment_text(one.first_at),
            _moment_text(one.last_at),
            count_text(one.rows),
            bytes_text(one.size_bytes),
            "yes" if one.is_summarised else "no",
            "yes" if one.is_copied else "no",
        )
        for one in segments
    ]
    total = (
        *("total", "", "", ""),
        count_text(sum(one.rows for one in segments)),
        bytes_text(sum(one.size_bytes for one in segments)),
        *("", ""),
    )
    headings = ("Segment", "Level", "First event", "Last event", "Rows", "Bytes", "Summarised", "Copied")
    if segments:
        print_table(console, "", headings, [*rows, total], numbers=frozenset({"Level", "Rows", "Bytes"}))
    waiting = count_text(sum(block.rows for block in blocks))
    print_line(console, f"{waiting} events in {count_text(len(blocks))} blocks wait to be sealed.")


@command.command("verify", epilog=examples("analytics segments verify"))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@click.pass_obj
def verify(settings: Settings, *, as_json: bool) -> None:
    """Read every byte of all segments and blocks, and compare checksums.

    Exits with 1 if any is damaged or missing, and names it.
    """
    checked, damaged = asyncio.run(_with_store(settings, verify_stored))
    if as_json:
        found = [{"kind": one.kind, "id": str(one.id), "rows": one.rows, "problem": one.problem} for one in damaged]
        click.echo(orjson.dumps({"checked": checked, "damaged": found}))
    else:
        console = open_console()
        for one in damaged:
            print_line(console, f"{one.kind} {one.id} ({count_text(one.rows)} events): {one.problem}")
        print_line(console, f"{count_text(checked)} segments and blocks checked, {_count_damaged(damaged)}.")
    if damaged:
        sys.exit(EXIT_FAILED)


@command.command("rekey", epilog=examples("analytics segments rekey --yes"))
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.pass_obj
def rekey_stored(settings: Settings, *, yes: bool) -> None:
    """Make the pseudonyms of all events anew, with this machine's secret.

    Stop every service of the database first, and run `analytics secret replace`. Rewrites all segments and then the
    summaries; what was interrupted goes on when it is run again. docs/secret.md says what cannot be reached.
    """
    name = describe_database(settings)

    async def run() -> Rekeyed:
        started_at = datetime.now(UTC)
        async with open_existing(settings.database_url, settings.data_dir) as database:
            if not yes and not click.confirm(f"Rewrite all events of {name}, with all its services stopped?"):
                click.echo("Nothing was changed.", err=True)
                sys.exit(EXIT_FAILED)
            secret = load_secret(settings)
            request = JobRequest(database=database, settings=settings, now=started_at)
            await copy_events.run(request)  # it counts rows in the old order
            pseudonyms = Pseudonyms(secret.derive_key(PURPOSE), secret.place)
            done = await rekey(database, open_segments(database, settings), pseudonyms)
            await rebuild.run(request)
            entry = AuditEntry(
                started_at=started_at,
                finished_at=datetime.now(UTC),
                actor=name_person(),
                action="segments rekey",
                outcome="done",
                rows=done.rows,
                details={"pid": os.getpid(), "place": secret.place, "segments": done.segments},
            )
            await write_audit(database, entry)
        return done

    done = asyncio.run(run())
    click.echo(f"{count_text(done.rows)} events in {count_text(done.segments)} segments have new pseudonyms.")


def _count_damaged(damaged: Sequence[Damage]) -> str:
    if not damaged:
        return "none is damaged"
    return f"{count_text(len(damaged))} damaged: restore the database from a backup"


async def _read(store: SegmentStore) -> tuple[Sequence[Segment], Sequence[WaitingBlock]]:
    return await store.catalogue.list_segments(), await store.catalogue.list_blocks()


async def _with_store(settings: Settings, work: Callable[[SegmentStore], Awaitable[AnswerT]]) -> AnswerT:
    async with open_existing(settings.database_url, settings.data_dir) as database:
        return await work(open_segments(database, settings))


def _describe(segment: Segment) -> dict[str, object]:
    return {
        "id": str(segment.id),
        "level": segment.level,
        "place": segment.place,
        "first_at": segment.first_at,
        "last_at": segment.last_at,
        "rows": segment.rows,
        "bytes": segment.size_bytes,
        "is_summarised": segment.is_summarised,
        "is_copied": segment.is_copied,
    }


def _describe_blocks(blocks: Sequence[WaitingBlock]) -> dict[str, object]:
    return {
        "count": len(blocks),
        "rows": sum(block.rows for block in blocks),
        "oldest_stored_at": min((block.stored_at for block in blocks), default=None),
    }


def _moment_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
