"""`analytics secret`: the secret from which hashes of addresses and other keys are derived."""

import asyncio
import os
import sys
from datetime import UTC, datetime

import click

from cli.main import EXIT_FAILED
from runtime.logging import configure_logging
from runtime.person import name_person
from runtime.settings import Settings
from runtime.terminal import examples
from server.processes.database import describe_database
from server.secrets import ServiceSecret, check_secret, load_secret, make_record
from storage.audit import AuditEntry
from storage.postgres.existing import open_existing
from storage.secret_record import replace_secret

ACTION = "secret replace"


@click.group("secret", epilog=examples("analytics secret check", "analytics secret replace"))
def command() -> None:
    """Check or replace the service's secret.

    It is ANALYTICS_IP_HASH_KEY, or the file secret.key in ANALYTICS_DATA_DIR, which the first service generates. All
    services of a database need the same: keys are derived from it, such as that of the hash that stands for client
    addresses. Keep a copy with your backups.
    """


@command.command("check", epilog=examples("analytics secret check"))
def check() -> None:
    """Compare this machine's secret with the database's.

    Exits with 2 if they differ. Writes and generates nothing.
    """
    settings = _read_settings()
    database_name = describe_database(settings)

    async def run() -> ServiceSecret | None:
        async with open_existing(settings.database_url, settings.data_dir) as database:
            return await check_secret(settings, database, database_name)

    secret = asyncio.run(run())
    if secret is None:
        click.echo(f"No service has set up {database_name} yet: the first one sets its secret.")
    else:
        click.echo(f"The secret in {secret.place} belongs to {database_name}.")


@command.command("replace", epilog=examples("analytics secret replace --yes"))
@click.option("--yes", is_flag=True, help="Do it without asking.")
def replace(*, yes: bool) -> None:
    """Make this machine's secret the database's.

    Generates a secret if this machine has none.
    Stop every service of the database first, and give all of them the new secret. Addresses that are stored keep their
    hashes, so the same address counts as two: one before and one after. The change is recorded in the audit log.
    """
    settings = _read_settings()
    database_name = describe_database(settings)

    async def run() -> str:
        started_at = datetime.now(UTC)
        async with open_existing(settings.database_url, settings.data_dir) as database:
            if not yes and not click.confirm(f"Replace the secret of {database_name}, with all its services stopped?"):
                click.echo("Nothing was changed.", err=True)
                sys.exit(EXIT_FAILED)
            secret = load_secret(settings)
            entry = AuditEntry(
                started_at=started_at,
                finished_at=datetime.now(UTC),
                actor=name_person(),
                action=ACTION,
                outcome="done",
                rows=1,
                details={"pid": os.getpid(), "place": secret.place},
            )
            await replace_secret(database, make_record(secret), entry)
            return secret.place

    click.echo(f"The secret in {asyncio.run(run())} now belongs to {database_name}.")


def _read_settings() -> Settings:
    settings = Settings.from_environment()
    configure_logging(level="warning", form=settings.log_format, process="secret")
    return settings
