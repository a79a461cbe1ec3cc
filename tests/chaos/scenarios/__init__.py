"""All scenarios, by name. Each is a function whose docstring tells the fault and what is expected."""

from collections.abc import Callable

from tests.chaos.scenarios.connections import cut_commit_and_stay_away, cut_commits, end_connections
from tests.chaos.scenarios.full_spools import disk_full, spool_full
from tests.chaos.scenarios.outages import (
    freeze_postgres,
    kill_postgres,
    kill_service_in_outage,
    kill_worker_in_outage,
    stop_postgres,
    stop_service_in_outage,
)
from tests.chaos.scenarios.processes import kill_client, kill_worker, sigterm
from tests.chaos.scenarios.servers import two_servers
from tests.chaos.stage import Stage

Scenario = Callable[[Stage], None]

_STAGES: list[list[Scenario]] = [
    [kill_worker, kill_postgres, sigterm, kill_client],
    [stop_postgres, freeze_postgres, kill_service_in_outage],
    [kill_worker_in_outage, stop_service_in_outage],
    [cut_commits, cut_commit_and_stay_away, end_connections],
    [two_servers],
    [spool_full],
    [disk_full],
]


def _name(scenario: Scenario) -> str:
    return scenario.__name__.replace("_", "-")


SCENARIOS: dict[str, Scenario] = {_name(scenario): scenario for shared in _STAGES for scenario in shared}
"""In the order in which they run."""
SHARED_STAGES = [[_name(scenario) for scenario in shared] for shared in _STAGES]
"""Which of them ask for the same services and Postgres, and so can follow each other on one stage."""
