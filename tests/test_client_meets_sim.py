"""Our client and scef-sim, in each dialect: each operation that the dialect has succeeds, on what an earlier one has made;
one that it does not have is never sent."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests/sim"), str(TOP / "tests")]

from scef_sim_harness import air_ue, application_servers, simulators  # noqa: E402
from test_conformance import BIN  # noqa: E402

DEVICE, MSISDN = "dev0001@iot.example.org", "491700000001"  # those of tests/t8/scs_requests.c
EVERYTHING = [
    "CONFIGURATION_CREATE", "CONFIGURATION_GET", "CONFIGURATION_LIST", "CONFIGURATION_PATCH",
    "DELIVERY_CREATE", "DELIVERY_GET", "DELIVERY_LIST", "DELIVERY_PUT", "DELIVERY_PATCH", "DELIVERY_DELETE",
    "PORT_PUT", "PORT_LIST", "PORT_GET", "PORT_DELETE",
    "TRANSACTION_CREATE", "TRANSACTION_GET", "TRANSACTION_LIST", "TRANSACTION_PUT", "TRANSACTION_PATCH",
    "TRANSACTION_DELETE",
    "SUBSCRIPTION_CREATE", "SUBSCRIPTION_GET", "SUBSCRIPTION_LIST", "SUBSCRIPTION_PUT", "SUBSCRIPTION_PATCH",
    "SUBSCRIPTION_DELETE",
    "CONFIGURATION_DELETE",
]  # fmt: skip
REL_17 = {"DELIVERY_PATCH", "PORT_PUT", "PORT_LIST", "PORT_GET", "PORT_DELETE", "TRANSACTION_PATCH",
          "SUBSCRIPTION_PATCH"}  # fmt: skip
FEW = REL_17 | {"TRANSACTION_LIST", "TRANSACTION_PUT", "TRANSACTION_DELETE", "SUBSCRIPTION_LIST", "SUBSCRIPTION_PUT"}
LACKING = {"3gpp": set(), "oracle-8.3": FEW, "oracle-8.4": FEW, "mts": REL_17, "in": REL_17}


IDS = {"3gpp": ".+", "oracle-8.3": ".+", "oracle-8.4": ".+", "mts": "[0-9a-f]{24}", "in": "[0-9a-f-]{36}"}


@pytest.mark.parametrize("dialect", LACKING)
def test_meet(tmp_path, dialect):
    ue = air_ue(DEVICE, msisdn=MSISDN)
    with application_servers() as servers, simulators(tmp_path) as start:
        servers()
        sim = start([ue], dialect=dialect)
        run = subprocess.run([BIN / "ask_scef", "--root", f"http://127.0.0.1:{sim.port}", "--dialect", dialect, "--follow",
                              *EVERYTHING], capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
    results = {r["operation"]: r for r in map(json.loads, run.stdout.splitlines())}
    assert list(results) == EVERYTHING
    for name, result in results.items():
        if name in LACKING[dialect]:
            assert result == {"operation": name, "error": "ERR_NOT_OFFERED"}
            continue
        deleted = name.endswith("DELETE") and name != "TRANSACTION_DELETE" or name == "SUBSCRIPTION_PATCH"
        created = name.endswith("CREATE") or name == "PORT_PUT"
        assert result["status"] == (201 if created else 204 if deleted else 200), result
        assert result["items"] == {"DELIVERY_LIST": 2}.get(name, 1 if name.endswith("LIST") else 0), result
        kind = {"C": "/configurations/", "D": "/downlink-data-deliveries/", "P": "/rds-ports/ue5-ef7",
                "T": "/transactions/", "S": "/subscriptions/"}[name[0]]  # fmt: skip
        linked = not name.endswith("LIST") and not deleted
        assert result["link"].startswith("/as1/") and kind in result["link"] if linked else result["link"] == "", result
    assert re.fullmatch(IDS[dialect], results["CONFIGURATION_CREATE"]["link"].rsplit("/", 1)[1])
