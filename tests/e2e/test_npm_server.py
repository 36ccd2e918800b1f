"""A real LwM2M server that knows nothing of us, lwm2m-node-lib of npm, works on a device through the whole chain.

It is installed once, into build/npm. It sends its requests through a proxy of its own, by which acknowledgements get
lost: it repeats every request until the answer comes, and never acknowledges that answer. It speaks UDP only; by the
other transports a front stands before it (leg_front.c).
"""

import fcntl
import os
import shutil
import subprocess

import legs
import pytest
from stack import TOP, endpoint, external_id

PACKAGE, VERSION = "lwm2m-node-lib", "1.4.0"
PLACE = TOP / "build/npm"
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "ENETDOWN")


@pytest.fixture(scope="module")
def modules():
    """The folder that holds the package."""
    assert shutil.which("node") and shutil.which("npm"), "node and npm are missing: run by ./dev test"
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = PLACE / "node_modules" / PACKAGE / "package.json"
        if not package.exists() or f'"version": "{VERSION}"' not in package.read_text():
            install()
    return PLACE / "node_modules"


def install():
    quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "2"]
    done = subprocess.run(
        ["npm", "install", *quiet, f"{PACKAGE}@{VERSION}"],
        cwd=PLACE,
        env={**os.environ, "npm_config_update_notifier": "false"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode == 0:
        return
    shutil.rmtree(PLACE / "node_modules", ignore_errors=True)
    code = next((code for code in UNREACHABLE if code in done.stderr), None)
    if code:
        pytest.skip(f"npm cannot reach its registry ({code}), so there is no {PACKAGE} to test with")
    pytest.fail(f"npm install {PACKAGE}@{VERSION} failed, though its registry was reached:\n{done.stderr[-3000:]}")


@pytest.mark.parametrize(
    "scheme, asleep",
    [(scheme, asleep) for scheme in legs.SCHEMES for asleep in (False, True) if scheme in ("coap", "coaps") or not asleep],
)
def test_server_of_npm_works_on_a_device(stack, modules, scheme, asleep):
    device = external_id(1)
    sleep = {"psm": True, "active_time_s": 1, "update_period_s": 5} if asleep else {"psm": False}
    stack.start_scef(
        [{"external_id": device, "notify_period_s": 2, "notify_confirmable": False, "delay_ms": [5, 20], **sleep}]
    )
    script = TOP / "tests/e2e/node/server.js"
    pause_ms = "1200" if asleep else "0"
    server = stack.start("node", argv=["node", script, str(stack.server_port), modules, pause_ms])
    stack.wait(lambda: server.named("listening"), "the server listens")
    stack.start_adapter([device], servers=legs.servers(stack, scheme))

    stack.wait(lambda: server.named("done"), "it has done its work", 120)
    first = server.named("registered")[0]
    assert (first["ep"], first["binding"]) == (endpoint(1), "U") and "</3/0>" in first["payload"]
    answers = [(e["event"], e["path"], e.get("value", e.get("error"))) for e in server.read() if "path" in e]
    assert answers[:4] == [
        ("read", "/3/0/0", "scef-sim"),
        ("write", "/3/0/15", ""),
        ("read", "/3/0/15", "Europe/Berlin"),
        ("execute", "/3/0/4", ""),
    ]
    assert answers[4][:2] == ("discover", "/3/0") and "</3/0/13>" in answers[4][2]
    assert answers[5][:2] == ("observe", "/3/0/13") and answers[5][2].isdigit()
    stack.wait(lambda: len(server.named("notify", ep=endpoint(1))) >= 2, "notifications come")

    # However often it repeated itself: each request went over the radio once, and so did its answer.
    stack.read()
    asked = [e for e in stack.exchanges.all if e.asked_by == "server"]
    assert [e.nas for e in asked] == [2] * 6, asked
    assert stack.control("GET", f"/ues/{device}")["executions"] == 1
    if asleep and scheme in ("coap", "coaps"):
        assert stack.adapter_named("duplicate", reason="from_server")
