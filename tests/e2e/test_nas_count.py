"""How many NAS messages an exchange costs, counted in scef-sim's trace: without loss, and with a fifth of all lost; over
every transport to the server."""

import legs
import pytest
from exchanges import nas_expected
from stack import endpoint, external_id, free_ports

OPERATIONS = ("read /3/0", "observe /3/0/9", "write /3/0/13 1893456000", "execute /3/0/4", "wait-notify /3/0/9 2")


def start_real_client(stack, number, air_port, *options):
    return stack.start(
        "sim-lwm2m-client",
        *("--server", f"127.0.0.1:{air_port}", "--endpoint", endpoint(number), "--json", *options),
    )


def settled(stack):
    """The exchanges that have begun until now, once they are answered."""
    stack.read()
    begun = list(stack.exchanges.all)
    stack.wait(lambda: stack.read() or all(e.answered() for e in begun if e.confirmable), "all exchanges are answered")
    return begun


def all_done(stack, count):
    stack.wait(lambda: len(stack.server.named("done")) >= count, "the scripts end")
    assert all(event["ok"] for event in stack.server.named("done")), stack.server.named("failed")


@pytest.mark.parametrize("scheme", legs.SCHEMES)
def test_without_loss_each_exchange_costs_what_it_needs(stack, scheme):
    air = free_ports()
    stack.start_server(*OPERATIONS, options=["--expect", 3])
    common = {"delay_ms": [5, 30], "update_period_s": 3}
    stack.start_scef(
        [
            {"external_id": external_id(1), "psm": False, "notify_period_s": 1, "send_period_s": 2, **common},
            {
                "external_id": external_id(2),
                "psm": True,
                "active_time_s": 1,
                "notify_period_s": 4,
                "notify_confirmable": False,
                **common,
            },
            {"external_id": external_id(3), "psm": False, "client": "air", "air": f"127.0.0.1:{air}"},
        ]
    )
    stack.start_adapter([external_id(n) for n in (1, 2, 3)], servers=legs.servers(stack, scheme))
    start_real_client(stack, 3, air, "--notify-period", 1)
    all_done(stack, 3)
    exchanges = settled(stack)

    wrong = [(stack.operations.name(e), e) for e in exchanges if e.nas != nas_expected(e)]
    assert not wrong
    names = {(e.device, stack.operations.name(e).split(" /")[0]) for e in exchanges}
    asked = {"register", "read", "observe", "write", "execute"}
    for number, own in (1, {"update", "send", "notify CON"}), (2, {"update", "notify NON"}), (3, {"notify CON"}):
        assert {name for device, name in names if device == external_id(number)} >= asked | own
    assert all(e["state"] in ("answered", "delivered") for e in stack.adapter_named("final"))


@pytest.mark.parametrize("scheme, seed", [("coap", 1), ("coap", 2), ("coaps", 1), ("coap+tcp", 1)])
def test_with_loss_every_exchange_is_answered_and_nothing_is_done_twice(stack, scheme, seed):
    count, executes, air = 6, 5, free_ports()
    operations = ["observe /3/0/9", *["execute /3/0/4", "read /3/0"] * executes, "wait-notify /3/0/9 2"]
    stack.start_server(*operations, options=["--expect", count])
    radio = {"psm": False, "loss": 0.2, "delay_ms": [5, 30]}
    ues = [
        {"external_id": external_id(n), "ack_timeout_ms": 300, "notify_period_s": 2, "update_period_s": 5, **radio}
        for n in range(1, count)
    ]
    ues[0]["duplicate"] = 0.3
    ues.append({"external_id": external_id(count), "client": "air", "air": f"127.0.0.1:{air}", **radio})
    stack.start_scef(ues, seed=seed)
    servers = legs.servers(stack, scheme)
    devices = [external_id(n) for n in range(1, count + 1)]
    stack.start_adapter(devices, servers=servers, relay={"nidd_ack_timeout_ms": 300})
    client = start_real_client(stack, count, air, "--notify-period", 2, "--ack-timeout", 0.3)
    all_done(stack, count)

    stack.read()
    begun = [e for e in stack.exchanges.all if e.confirmable]
    stack.wait(lambda: all(e.answered() or hopeless(stack, e) for e in begun), "all exchanges are answered")

    executed = {ue["external_id"]: ue.get("executions") for ue in stack.control("GET", "/ues")}
    executed[external_id(count)] = len(client.named("executed"))
    assert executed == {external_id(n): executes for n in range(1, count + 1)}
    finals = stack.finals()
    assert len(finals) == count * (len(operations) - 1)  # all but wait-notify
    assert all([e["state"] for e in events] == ["answered"] for events in finals.values()), finals
    assert len(stack.nas(what="lost")) > 50


def hopeless(stack, exchange):
    """The device has sent it five times, and each time the message or its answer was lost: then it gives up."""
    mids = {mid for _, mid in exchange.codes}
    events = [e for e in stack.nas(ext_id=exchange.device) if e.get("mid") in mids]
    sent = [e for e in events if e["dir"] == "mo" and e["what"] == "sent"]
    return exchange.asked_by != "server" and len(sent) == 5 and sum(e["what"] == "lost" for e in events) >= 5
