"""REST answers the five reports with the numbers that gRPC callers get."""

import pytest
from google.protobuf import json_format

from tests import report_questions
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call
from tests.report_questions import REPORTS, Report


@pytest.fixture(scope="module", autouse=True)
def _history(gateway: GatewayService) -> None:
    stored = gateway.stub.TrackEvents(report_questions.history(), timeout=20).stored
    assert stored == len(report_questions.HISTORY)


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
def test_rest_answers_what_grpc_answers(gateway: GatewayService, asked: Report) -> None:
    """The JSON, read back, is the typed answer byte for byte."""
    answer = call(gateway.rest_port, "GET", asked.url())
    assert answer.status == 200, answer
    typed = getattr(gateway.stub, asked.method)(asked.asked(), timeout=20)
    through = json_format.Parse(answer.body, type(typed)())
    assert through.SerializeToString(deterministic=True) == typed.SerializeToString(deterministic=True)
