"""A SCEF that answers nonsense. The adapter tries again in its own time; what it has accepted comes to an end that its
server is told; other devices do not notice."""

import base64

import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef
from stack import endpoint, external_id

DEVICE, OTHER = external_id(1), external_id(2)
RELAY = {
    "downlink_lifetime_s": 12,
    "nidd_ack_timeout_ms": 400,
    "retry_min_s": 1,
    "retry_max_s": 1,
}

BIG = b'{"a": "' + b"x" * (8 << 20) + b'"}'
NONSENSE = {
    "HTML": Answer(200, b"<html><body>It works!</body></html>", {"Content-Type": "text/html"}),
    "HTML as 201": Answer(201, b"<html>", {"Content-Type": "text/html"}),
    "half a JSON": Answer(201, b'{"self": "http://127.0.', then="close"),
    "half of what Content-Length says": Answer(
        raw=b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", then="close"
    ),
    "a list": Answer(201, b"[]"),
    "wrong types": Answer(201, {"self": 1, "data": 2, "deliveryStatus": 3, "status": [], "maximumPacketSize": "x"}),
    "null": Answer(200, b"null"),
    "10,000 arrays": Answer(201, b"[" * 10000 + b"]" * 10000),
    "nothing as 204": Answer(204, b"", {"Content-Length": 0}),
    "299": Answer(299, {}),
    "399": Answer(399, {}),
    "redirect to itself": Answer(307, b"", {"Location": ROOT}),
    "redirect to a file": Answer(302, b"", {"Location": "file:///etc/passwd"}),
    "status 000": Answer(raw=b"HTTP/1.1 000 ?\r\nContent-Length: 0\r\n\r\n"),
    "status 999": Answer(raw=b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n"),
    "500 with a page": Answer(500, b"<html>Internal error</html>", {"Content-Type": "text/html"}),
    "500 with half a failure": Answer(500, b'{"problemDetail": {"cause": '),
    "500 with numbers": Answer(500, {"problemDetail": {"cause": 5, "status": "x"}, "requestedRetransmissionTime": 7}),
    "500 and a time that is none": Answer(
        500, {"problemDetail": {"cause": "TEMPORARILY_NOT_REACHABLE"}, "requestedRetransmissionTime": "yesterday"}
    ),
    "503 for a thousand years": Answer(503, b"", {"Retry-After": "31536000000"}),
    "503 until a date": Answer(503, b"", {"Retry-After": "Thu, 01 Jan 2099 00:00:00 GMT"}),
    "429": Answer(429, {"cause": "QUOTA_EXCEEDED"}, {"Retry-After": "1"}),
    "8 MB": Answer(201, BIG),
    "chunks without an end": Answer(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b" " * 4096 + b"\r\n", then="hang"
    ),
    "64 kB of header": Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 65536 + b"\r\n\r\n{}", then="close"),
    "no HTTP": Answer(raw=bytes(range(256)), then="close"),
    "nothing, closed": Answer(raw=b"", then="close"),
    "nothing, reset": Answer(raw=b"", then="reset"),
    "nothing, for ever": Answer(raw=b"", then="hang"),
    "100 for ever": Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 100, then="hang"),
}
LONG_RETRY = {"503 for a thousand years", "503 until a date"}  # they may be believed, up to a bound


@pytest.fixture
def chain(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.fake_scef, stack.wire_server, stack.mid, stack.nonsense_count = scef, server, 0, 0
        yield stack


def start_adapter(stack, ready=True, **relay):
    timeouts = {"request_timeout_ms": 700, "connect_timeout_ms": 500}
    stack.start_adapter([DEVICE, OTHER], ready, scef=timeouts, relay={**RELAY, **relay})


def nonsense_for(stack, answer, path_end):
    """Requests about DEVICE whose path ends so are answered badly from now on."""

    def decide(request):
        if request.about(DEVICE) and request.path.endswith(path_end):
            stack.nonsense_count += 1
            return answer
        return None

    stack.fake_scef.answer = decide


def place(stack, device):
    """The device's address, as its registration shows it."""
    stack.mid += 1
    token = stack.mid.to_bytes(2, "big")
    message = wire.registration(endpoint(1), stack.mid, token)
    message.type = wire.NON
    link = stack.fake_scef.link(device)
    stack.wait(lambda: stack.uplink(device, message, link).status == 204, "the uplink is taken", 20)
    return stack.wire_server.expect(token=token).source


def ask(stack, device, address, token):
    """The server's request, accepted."""
    stack.wire_server.send(wire.request(wire.GET, "/3/0", stack.mid + 7000, token), address)
    assert stack.wire_server.expect(type=wire.ACK).code == 0


def answer_of_device(stack, device, token):
    """The device answers what was delivered last."""
    request = stack.wait(lambda: delivered(stack, device, token), "the request is delivered")
    message = wire.Message(wire.ACK, wire.code("2.05"), request.mid, token, [], b"value")
    assert stack.uplink(device, message, stack.fake_scef.link(device)).status == 204


def delivered(stack, device, token):
    for request in reversed(stack.fake_scef.deliveries(device)):
        message = wire.decode(base64.b64decode(request.json()["data"]))
        if message.token == token:
            return message
    return None


def response(stack, token):
    message = stack.wire_server.expect(token=token)
    stack.wire_server.send(wire.empty(wire.ACK, message.mid), message.source)
    return message


@pytest.mark.parametrize("name", NONSENSE)
def test_to_a_delivery(chain, name):
    """The request to one device meets nonsense; that to the other is answered meanwhile; then the SCEF comes to its
    senses, and the first request is answered too, unless its server has been told why not."""
    start_adapter(chain)
    mine, others = place(chain, DEVICE), place(chain, OTHER)
    nonsense_for(chain, NONSENSE[name], "/downlink-data-deliveries")
    ask(chain, DEVICE, mine, b"mine")
    chain.wait(lambda: chain.nonsense_count >= 1, "the SCEF has answered nonsense")

    ask(chain, OTHER, others, b"others")
    answer_of_device(chain, OTHER, b"others")
    assert response(chain, b"others").code == wire.code("2.05")

    chain.wait(lambda: chain.nonsense_count >= 2 or chain.adapter_named("submit_result"), "it was noticed")
    chain.fake_scef.answer = lambda request: None
    place(chain, DEVICE)  # a sign of life makes the queue flow
    finals = lambda: [e["state"] for events in chain.finals().values() for e in events]  # noqa: E731
    sane = len(chain.fake_scef.deliveries(DEVICE))
    chain.wait(lambda: len(finals()) == 2 or len(chain.fake_scef.deliveries(DEVICE)) > sane, "it goes on")
    if len(finals()) < 2:
        answer_of_device(chain, DEVICE, b"mine")
    last = response(chain, b"mine")
    chain.wait(lambda: len(finals()) == 2, "both are final")
    mine_final = next(e["state"] for events in chain.finals().values() for e in events if e["ext_id"] == DEVICE)
    expected = {"answered": "2.05", "failed": "5.02", "expired": "5.04"}[mine_final]
    assert (wire.code_text(last.code), last.token) == (expected, b"mine"), mine_final
    assert all(len(events) == 1 for events in chain.finals().values())


@pytest.mark.parametrize("name", NONSENSE)
def test_to_the_creation_of_a_configuration(chain, name):
    """One device gets its configuration late, the other is served from the start."""
    nonsense_for(chain, NONSENSE[name], "/configurations")
    start_adapter(chain, ready=False)
    chain.wait(lambda: chain.nonsense_count >= 1, "the SCEF has answered nonsense")
    chain.wait(lambda: chain.device(OTHER)["configuration"] == "active", "the other device is configured")
    others = place(chain, OTHER)
    ask(chain, OTHER, others, b"others")
    answer_of_device(chain, OTHER, b"others")
    assert response(chain, b"others").code == wire.code("2.05")

    chain.fake_scef.answer = lambda request: None
    if name in LONG_RETRY:
        assert chain.device(DEVICE)["configuration"] in ("waiting", "refused", "active")
        return
    chain.wait(lambda: chain.device(DEVICE)["configuration"] == "active", "the device is configured in the end", 20)


LINKS = {
    "none": {},
    "empty": {"self": ""},
    "no URL": {"self": "\n\r\t "},
    "long": {"self": "http://127.0.0.1/" + "x" * 200000},
    "with a NUL": {"self": "http://127.0.0.1/\0/configurations/dev1"},
    "of another": {"self": "http://127.0.0.1:1/3gpp-nidd/v1/as1/configurations/dev2"},
    "a file": {"self": "file:///etc/passwd"},
    "a header in it": {"self": "http://127.0.0.1:1/x\r\nHost: y"},
    "a user in it": {"self": "http://user:password@127.0.0.1:1/3gpp-nidd/v1/as1/configurations/dev1"},
    "a number": {"self": 1},
}


@pytest.mark.parametrize("name", LINKS)
def test_wrong_links_of_a_configuration(chain, name):
    answer = Answer(201, {"externalId": DEVICE, "maximumPacketSize": 10864, **LINKS[name]})
    nonsense_for(chain, answer, "/configurations")
    start_adapter(chain, ready=False)
    chain.wait(lambda: chain.nonsense_count >= 1, "the SCEF has answered nonsense")
    chain.wait(lambda: chain.device(OTHER)["configuration"] == "active", "the other device is configured")
    others = place(chain, OTHER)
    ask(chain, OTHER, others, b"others")
    answer_of_device(chain, OTHER, b"others")
    assert response(chain, b"others").code == wire.code("2.05")
    assert chain.device(DEVICE)["configuration"] in ("active", "waiting", "refused", "creating")


@pytest.mark.parametrize("name", LINKS)
def test_wrong_links_of_a_buffered_delivery(chain, name):
    """201 though maximumLatency was 0, and a link by which no status can ever be told: the lifetime ends it."""
    start_adapter(chain, downlink_lifetime_s=2)
    mine = place(chain, DEVICE)
    answer = Answer(201, {"data": "AA==", "deliveryStatus": "BUFFERING", **LINKS[name]})
    nonsense_for(chain, answer, "/downlink-data-deliveries")
    ask(chain, DEVICE, mine, b"mine")
    chain.wait(lambda: chain.nonsense_count >= 1, "the SCEF has answered nonsense")
    last = response(chain, b"mine")
    assert last.code == wire.code("5.04")
    chain.wait(lambda: [[e["state"] for e in v] for v in chain.finals().values()] == [["expired"]], "it is final")


@pytest.mark.parametrize("size", [0, -8, 64, 1 << 62, 1.5, "9", None])
def test_maximum_packet_size(chain, size):
    """A size that cannot be is not believed; one that is tiny is, and the server hears 4.13."""
    answer = {"self": chain.fake_scef.link(DEVICE), "externalId": DEVICE, "maximumPacketSize": size}
    nonsense_for(chain, Answer(201, answer), "/configurations")
    start_adapter(chain, ready=False)
    chain.wait(lambda: chain.nonsense_count >= 1, "the SCEF has answered")
    chain.fake_scef.answer = lambda request: None
    chain.wait(lambda: chain.device(DEVICE)["configuration"] == "active", "the device is configured", 20)
    mine = place(chain, DEVICE)
    big = wire.request(wire.PUT, "/3/0/15", 5, b"big", payload=b"x" * 20)
    chain.wire_server.send(big, mine)
    message = chain.wire_server.receive()
    if size == 64:
        assert (message.type, message.code) == (wire.ACK, wire.code("4.13"))
    else:
        assert (message.type, message.code) == (wire.ACK, 0)


def test_delivery_statuses_out_of_nowhere(chain):
    """Status notifications for deliveries that are not, of configurations that are not, and with what is no status."""
    start_adapter(chain)
    place(chain, DEVICE)
    link = f"{chain.fake_scef.link(DEVICE)}/downlink-data-deliveries/d1"
    for body in (
        {"niddDownlinkDataTransfer": link, "deliveryStatus": "SUCCESS"},
        {"niddDownlinkDataTransfer": "", "deliveryStatus": "SUCCESS"},
        {"niddDownlinkDataTransfer": link, "deliveryStatus": "GREAT_SUCCESS"},
        {"niddDownlinkDataTransfer": link, "deliveryStatus": 7},
        {"niddDownlinkDataTransfer": link},
        {"niddDownlinkDataTransfer": [link], "deliveryStatus": "SUCCESS"},
        {"niddDownlinkDataTransfer": link, "deliveryStatus": "SUCCESS", "requestedRetransmissionTime": "never"},
        {"niddConfiguration": chain.fake_scef.link(DEVICE), "externalId": DEVICE, "status": "HAPPY"},
        {"niddConfiguration": "other", "externalId": DEVICE, "status": "TERMINATED"},
        {"niddConfiguration": chain.fake_scef.link(DEVICE), "externalId": "x@y", "status": "TERMINATED"},
    ):
        reply = chain.notify(body)
        assert reply.status in (200, 204, 400, 404), (body, reply.status)
        if reply.status >= 400:
            assert reply.headers["Content-Type"] == "application/problem+json"
    place(chain, DEVICE)
