"""`analytics keys create`: a new key."""

import asyncio
from datetime import UTC, datetime, timedelta

import click

from cli.client import admin_address_option, key_stub, open_channel, translated_errors
from cli.keys.output import CALL_TIMEOUT_S, print_text
from cli.render import print_json
from runtime.logging import configure_logging
from runtime.person import name_person
from runtime.settings import Settings
from runtime.terminal import examples
from server.access.scopes import SCOPES
from server.admin.keys import KeyDesk
from server.processes.database import run_database
from sociallive.analytics.v1.key_service_pb2 import (
    CreateKeyRequest,
    CreateKeyResponse,
    KeyKind,
    KeyRules,
    UserIdRule,
)
from storage.postgres.database import Database
from storage.postgres.existing import COMMAND_WAIT_S

KINDS = {"service": KeyKind.KEY_KIND_SERVICE, "public": KeyKind.KEY_KIND_PUBLIC}
USER_IDS = {
    "none": UserIdRule.USER_ID_RULE_NONE,
    "any": UserIdRule.USER_ID_RULE_ANY,
    "subject": UserIdRule.USER_ID_RULE_TOKEN_SUBJECT,
}


@click.command(
    "create",
    epilog=examples(
        "analytics keys create --first --name admin --scope admin.keys > admin.key",
        "analytics keys create --name importer --scope ingest --scope ingest.backfill",
        "analytics keys create --public --name shop --origin https://shop.example",
    ),
)
@click.option("--name", required=True, metavar="TEXT", help="What the key is for.")
@click.option("--public", is_flag=True, help="For browsers and apps, whose users can read it: it can only send events.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    type=click.Choice(list(SCOPES)),
    help=f"What it may do: {', '.join(SCOPES)}.  [default: ingest]",
)
@click.option("--origin", "origins", multiple=True, metavar="ORIGIN", help="Web origin of a public key; all if none.")
@click.option("--type", "event_types", multiple=True, metavar="TYPE", help="Event type that it may send; all if none.")
@click.option(
    "--user-ids",
    type=click.Choice(list(USER_IDS)),
    help="Which user ids its events may have; `subject`: of a token.  [default: none for public keys, else any]",
)
@click.option("--events-per-second", type=click.IntRange(0, 10_000_000), default=0, help="Quota of each worker.")
@click.option("--daily-events", type=click.IntRange(0, 10**15), default=0, help="Quota of the whole service.")
@click.option("--concurrent-reports", type=click.IntRange(0, 10_000), default=0, help="Quota of each worker.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Days after which it ends.  [default: never]")
@click.option("--first", is_flag=True, help="Write to the database itself, which has no key to call the service with.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@admin_address_option
def command(
    *,
    name: str,
    public: bool,
    scopes: tuple[str, ...],
    origins: tuple[str, ...],
    event_types: tuple[str, ...],
    user_ids: str | None,
    events_per_second: int,
    daily_events: int,
    concurrent_reports: int,
    days: int | None,
    first: bool,
    as_json: bool,
    address: str,
) -> None:
    """Create a key and print it, once.

    The key alone is printed on stdout. With --first the command needs no service: it writes to the database of
    DATABASE_URL or ANALYTICS_DATA_DIR, which it makes if there is none.
    """
    rules = KeyRules(
        kind=KINDS["public" if public else "service"],
        name=name,
        scopes=scopes,
        origins=origins,
        event_types=event_types,
        user_ids=USER_IDS[user_ids] if user_ids else None,
        events_per_second=events_per_second,
        daily_events=daily_events,
        concurrent_reports=concurrent_reports,
    )
    if days is not None:
        rules.expires_at.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    if first:
        settings = Settings.from_environment()
        configure_logging(level="warning", form=settings.log_format, process="keys")
        made = asyncio.run(create_in_database(settings, rules))
    else:
        with translated_errors(address), open_channel(address) as channel:
            made = key_stub(channel).CreateKey(CreateKeyRequest(rules=rules), timeout=CALL_TIMEOUT_S)
    if as_json:
        print_json(made)
    else:
        print_text(made.text, made.key)


async def create_in_database(settings: Settings, rules: KeyRules) -> CreateKeyResponse:
    """Create a key in the database of the settings, which is made and migrated where needed.

    Raises:
        QuestionError: a rule is not allowed.
        StorageUnavailableError, StorageRefusedError: the database is away, or refuses us.
    """
    async with run_database(settings, asyncio.Event(), wait_s=COMMAND_WAIT_S) as (url, _):
        from storage.postgres.migrate import migrate  # noqa: PLC0415 - as in server.processes.service

        await migrate(url)
        database = await Database.open(url, readers=1)
        try:
            return await KeyDesk(database, lambda: datetime.now(UTC)).create(rules, name_person())
        finally:
            await database.close()
