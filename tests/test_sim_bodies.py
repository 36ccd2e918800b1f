"""Every body that the SCEF's models of device triggering and monitoring wrote in their unit tests validates against the
schemas: the project's own, and the specification's where they lie beside the checkout (see test_conformance.py). Of
bodies that differ by numbers only one is looked at."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/t8"))

from openapi_schemas import Schemas  # noqa: E402

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or TOP / "build/asan/bin")
PROGRAMS = ["test_sim_triggering", "test_sim_monitoring", "test_sim_monitoring_changes", "test_sim_monitoring_events",
            "test_sim_beside_random"]
OPENAPI = TOP.parent / "shared/openapi"
SOURCES = {"own": TOP / "tests/t8/schemas"} | ({"openapi": OPENAPI} if OPENAPI.is_dir() else {})
WANTED = {"TestNotification", "DeviceTriggering", "DeviceTriggeringDeliveryReportNotification",
          "MonitoringEventSubscription", "MonitoringEventReports", "MonitoringNotification"}  # fmt: skip


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    out = tmp_path_factory.mktemp("bodies") / "bodies"
    for program in PROGRAMS:
        subprocess.run([BIN / program], env=os.environ | {"SCEF_BODIES": str(out)}, capture_output=True, timeout=120,
                       check=True)
    return sorted({re.sub(r"\d+", "#", line): line for line in out.read_text().splitlines()}.values())


def test_all_types_are_written(bodies):
    written = collections.Counter(line.split("\t")[0].rsplit("/", 1)[1] for line in bodies)
    print(*(f"{count:5} {name}" for name, count in sorted(written.items())), sep="\n")
    assert set(written) == WANTED


@pytest.mark.parametrize("source", SOURCES)
def test_bodies_validate(source, bodies):
    schemas = Schemas(SOURCES[source])
    wrong = []
    for line in bodies:
        reference, direction, body = line.split("\t")
        validator = schemas.validator(reference, direction)
        wrong += [(body, e.json_path, e.message) for e in validator.iter_errors(json.loads(body))]
    assert wrong == []
