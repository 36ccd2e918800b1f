"""What makes a queue flow that no message of the device does: reports of the network, triggers, times that it names."""

import callback_path
import pytest
import wire
from stack import endpoint, external_id, free_ports, http_request

DEVICE = external_id(1)
SUBSCRIPTIONS = "/3gpp-monitoring-event/v1/as1/subscriptions"
TRANSACTIONS = "/3gpp-device-triggering/v1/as1/transactions"


@pytest.fixture
def asleep(stack, request):
    """(stack, server, device): the device has registered and sleeps; a read of the server waits for it, and no timer
    will make it flow."""
    air = free_ports()
    stack.start_scef(
        [{"external_id": DEVICE, "client": "air", "air": f"127.0.0.1:{air}", "psm": True, "active_time_s": 1}]
    )
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server, wire.Peer(("127.0.0.1", air)) as device:
        stack.start_adapter([DEVICE], relay={"retry_min_s": 3600}, scef=getattr(request, "param", {}))
        device.send(wire.registration(endpoint(1), 1, b"\x01"))
        register = server.expect(code=wire.POST)
        server.send(wire.Message(wire.ACK, wire.code("2.01"), register.mid, register.token), register.source)
        device.expect(type=wire.ACK)
        stack.wait(lambda: not stack.control("GET", f"/ues/{DEVICE}")["awake"], "the device sleeps")
        server.send(wire.request(wire.GET, "/3/0", 100, b"\xa0"), register.source)
        assert server.expect(type=wire.ACK).mid == 100
        stack.wait(lambda: stack.adapter_named("submit_result", status=500), "the network says that it sleeps")
        yield stack, server, device


def flows(asleep, reason):
    """The device gets the read and answers; it was the report that did it."""
    stack, server, device = asleep
    request = device.expect(code=wire.GET)
    device.send(wire.Message(wire.ACK, wire.code("2.05"), request.mid, request.token, [], b"x"))
    answer = server.expect(code=wire.code("2.05"))
    server.send(wire.empty(wire.ACK, answer.mid), answer.source)
    stack.wait(lambda: [e["state"] for e in stack.adapter_named("final") if e["seq"] in stack.finals()] == ["answered"],
               "the read is answered")  # fmt: skip
    assert stack.adapter_named("reachable", ext_id=DEVICE, reason=reason)
    assert stack.metric("reachability_reports_total", scef="scef", reason=reason) >= 1
    assert len(stack.nas(dir="mt", what="sent", token=request.token.hex())) == 1


def subscribe(stack, kind, features, **members):
    body = {"externalId": DEVICE, "monitoringType": kind, "supportedFeatures": features, "maximumNumberOfReports": 10,
            "notificationDestination": f"http://127.0.0.1:{stack.callback_port}{callback_path.MONITORING}", **members}  # fmt: skip
    reply = http_request(stack.scef_port, "POST", SUBSCRIPTIONS, body)
    assert reply.status in (200, 201), reply.body


def test_ue_reachability(asleep):
    stack = asleep[0]
    subscribe(stack, "UE_REACHABILITY", "2", reachabilityType="DATA")
    stack.control("POST", f"/ues/{DEVICE}/wake")
    flows(asleep, "UE_REACHABILITY")


def test_availability_after_ddn_failure(asleep):
    """The failure comes after the subscription: somebody's data meets the sleeping device again."""
    stack = asleep[0]
    subscribe(stack, "AVAILABILITY_AFTER_DDN_FAILURE", "40")
    configuration = stack.device(DEVICE)["configuration_link"]
    late = {"externalId": DEVICE, "data": "QQE=", "maximumLatency": 0}
    assert http_request(stack.scef_port, "POST", f"/3gpp-nidd/v1{configuration}/downlink-data-deliveries", late).status == 500
    stack.control("POST", f"/ues/{DEVICE}/wake")
    flows(asleep, "AVAILABILITY_AFTER_DDN_FAILURE")


def test_pdn_connectivity_status(asleep):
    stack = asleep[0]
    stack.control("POST", f"/ues/{DEVICE}/pdn?connected=0")
    subscribe(stack, "PDN_CONNECTIVITY_STATUS", "1000")
    stack.control("POST", f"/ues/{DEVICE}/pdn?connected=1")
    flows(asleep, "PDN_CONNECTIVITY_STATUS")


def test_device_trigger(asleep):
    """The trigger's report names no device: the transaction does."""
    stack = asleep[0]
    trigger = {"externalId": DEVICE, "validityPeriod": 600, "priority": "NO_PRIORITY", "applicationPortId": 5683,
               "triggerPayload": "AQ==", "supportedFeatures": "6",
               "notificationDestination": f"http://127.0.0.1:{stack.callback_port}{callback_path.TRIGGERING}"}  # fmt: skip
    assert http_request(stack.scef_port, "POST", TRANSACTIONS, trigger).status == 201
    stack.control("POST", f"/ues/{DEVICE}/wake")
    flows(asleep, "device_trigger")


@pytest.mark.parametrize(
    "report",
    [
        {"monitoringType": "UE_REACHABILITY", "externalId": DEVICE, "reachabilityType": "DATA"},
        {"monitoringType": "UE_REACHABILITY", "externalIds": ["dev9@example.org", DEVICE]},
        {"monitoringType": "AVAILABILITY_AFTER_DDN_FAILURE", "externalId": DEVICE},
    ],
)
def test_whoever_reports(asleep, report):
    """Any SCEF's words, with everything that a report may leave out."""
    stack = asleep[0]
    stack.control("POST", f"/ues/{DEVICE}/wake")
    body = {"subscription": "/whatever/s1", "monitoringEventReports": [report]}
    assert stack.notify(body, callback_path.MONITORING).status == 204
    flows(asleep, report["monitoringType"])


def test_reports_that_say_something_else(asleep):
    stack, _, _ = asleep
    reports = [
        {"monitoringType": "LOSS_OF_CONNECTIVITY", "externalId": DEVICE, "lossOfConnectReason": 7},
        {"monitoringType": "ROAMING_STATUS", "externalId": DEVICE, "roamingStatus": True},
        {"monitoringType": "PDN_CONNECTIVITY_STATUS", "externalId": DEVICE,
         "pdnConnInfoList": [{"status": "RELEASED", "pdnType": "NON_IP", "interfaceInd": "EXPOSURE_FUNCTION"},
                             {"status": "CREATED", "pdnType": "IPV4", "interfaceInd": "PDN_GATEWAY"}]},
        {"monitoringType": "UE_REACHABILITY", "externalId": "nobody@example.org"},
        {"monitoringType": "UE_REACHABILITY"},
        {"monitoringType": "WHATEVER_COMES_LATER", "externalId": DEVICE},
    ]  # fmt: skip
    for report in reports:
        body = {"subscription": "/whatever/s1", "monitoringEventReports": [report]}
        assert stack.notify(body, callback_path.MONITORING).status == 204
    assert stack.notify({"subscription": "/whatever/s1", "cancelInd": True}, callback_path.MONITORING).status == 204
    unknown = {"transaction": "/3gpp-device-triggering/v1/as1/transactions/t99", "result": "SUCCESS"}
    assert stack.notify(unknown, callback_path.TRIGGERING).status == 204
    failed = {"transaction": "/3gpp-device-triggering/v1/as1/transactions/t99", "result": "EXPIRED"}
    assert stack.notify(failed, callback_path.TRIGGERING).status == 204
    assert stack.metric("reachability_reports_total", scef="scef", reason="unknown_device") == 1
    assert not stack.adapter_named("reachable")
    assert len(stack.adapter_named("submit_result", status=500)) == 1


# --- asked for by the adapter


@pytest.mark.parametrize("asleep", [{"reachability": "monitoring"}], indirect=True)
def test_our_own_subscription(asleep):
    """One subscription for the device, found again after a restart; its report makes the queue flow."""
    stack, _, _ = asleep
    shown = stack.wait(lambda: http_request(stack.scef_port, "GET", SUBSCRIPTIONS).json(), "a subscription")
    assert [(s["externalId"], s["monitoringType"], s["maximumNumberOfReports"]) for s in shown] == [
        (DEVICE, "UE_REACHABILITY", 1)
    ]
    stack.adapter.kill()
    stack.start_adapter()
    stack.wait(lambda: len(stack.adapter_named("submit_result", status=500)) > 1, "tried again after the restart")
    assert http_request(stack.scef_port, "GET", SUBSCRIPTIONS).json() == shown
    stack.control("POST", f"/ues/{DEVICE}/wake")
    flows(asleep, "UE_REACHABILITY")
    assert http_request(stack.scef_port, "GET", SUBSCRIPTIONS).json() == []
