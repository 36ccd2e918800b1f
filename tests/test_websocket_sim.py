"""scef-sim's notifications over WebSocket (TS 29.122 clauses 5.2.5.3 and 5.2.5.4), received by python3-websockets."""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
PATIENCE_S = 20
SILENCE = "http://127.0.0.1:9/"  # nobody is there: what is POSTed is lost
UE = "dev1@example.org"

pytestmark = pytest.mark.timeout(90)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Sim:
    def __init__(self, folder, more=""):
        self.port, self.file, self.more = free_port(), folder / "sim.yaml", more
        self.root, self.process = f"http://127.0.0.1:{self.port}", None

    def start(self):
        self.file.write_text(
            f"listen: 127.0.0.1:{self.port}\nnotification_retries: 0\nwebsocket_resend_ms: 300\n{self.more}\n"
            f"ues: [{{external_id: {UE}, client: air, air: '127.0.0.1:{free_port()}', psm: false}}]\n"
        )
        self.process = subprocess.Popen([BIN / "scef-sim", "--config", self.file], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None
                time.sleep(0.02)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(10) == 0

    def ask(self, method, path, body=None, **headers):
        """(status, body)"""
        url = path if path.startswith("http") else self.root + path
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def create(self, path, **members):
        status, made = self.ask(
            "POST",
            path,
            {
                "externalId": UE,
                "notificationDestination": SILENCE,
                "websockNotifConfig": {"requestWebsocketUri": True},
                **members,
            },
        )
        assert status == 201, made
        return made

    def configuration(self, **members):
        return self.create("/3gpp-nidd/v1/as1/configurations", supportedFeatures="6", **members)

    def uplink(self, data):
        assert self.ask("POST", f"/sim/v1/ues/{UE}/uplink", data)[0] == 204

    def await_total(self, name, value, part=None):
        end = time.monotonic() + PATIENCE_S
        while True:
            totals = self.ask("GET", "/sim/v1/scef")[1]
            if (totals[part] if part else totals)[name] == value:
                return
            assert time.monotonic() < end, totals
            time.sleep(0.05)


@pytest.fixture
def sim(tmp_path):
    s = Sim(tmp_path)
    yield s
    s.stop()


def take(c):
    """(number, body) of one notification"""
    head, body = c.recv(PATIENCE_S).split(b"\r\n\r\n", 1)
    lines = dict(line.split(": ") for line in head.decode().split("\r\n"))
    assert lines["Content-Type"] == "application/json"
    assert int(lines["Content-Length"]) == len(body)
    return int(lines["3GPP-WS-Notif-Seq"]), json.loads(body)


def acknowledge(c, number, status="204 No Content"):
    c.send(f"3GPP-WS-Notif-Seq: {number}\r\n{status}\r\n\r\n".encode())


def test_notifications_of_a_configuration(sim):
    sim.start()
    made = sim.configuration(requestTestNotification=True)
    uri = made["websockNotifConfig"]["websocketUri"]
    assert made["supportedFeatures"] == "6"
    assert uri.startswith(f"ws://127.0.0.1:{sim.port}/ws/")
    with connect(uri) as c:
        assert take(c) == (0, {"subscription": made["self"]})
        acknowledge(c, 0)
        sim.uplink(b"\x01\x02")
        number, body = take(c)
        assert body == {
            "niddConfiguration": made["self"],
            "externalId": UE,
            "data": base64.b64encode(b"\x01\x02").decode(),
        }
        assert take(c) == (number, body)  # not acknowledged in time
        acknowledge(c, number)
        sim.await_total("notified", 2)
        sim.uplink(b"\x03")
        acknowledge(c, take(c)[0], "403 Forbidden")
        sim.await_total("given_up", 1)
        sim.uplink(b"\x04")
        number, body = take(c)
    with connect(uri) as c:  # over the next connection
        assert take(c) == (number, body)
        acknowledge(c, number)
        sim.await_total("notified", 3)
        assert sim.ask("DELETE", made["self"])[0] == 204
        with pytest.raises(ConnectionClosed) as closed:
            c.recv(PATIENCE_S)
        assert closed.value.rcvd.code == 1000
    with pytest.raises(InvalidStatus) as refused, connect(uri):
        pass
    assert refused.value.response.status_code == 404


def test_a_second_uri_is_refused(sim):
    sim.start()
    sim.configuration()
    status, problem = sim.ask(
        "POST",
        "/3gpp-nidd/v1/as1/configurations",
        {
            "supportedFeatures": "6",
            "externalId": UE,
            "notificationDestination": SILENCE,
            "websockNotifConfig": {"requestWebsocketUri": True},
        },
    )
    assert status == 400 and problem["invalidParams"][0]["param"] == "/websockNotifConfig/requestWebsocketUri"


def test_without_the_feature_there_is_none(sim):
    sim.more = "features: {nidd: FD}"
    sim.start()
    made = sim.configuration()
    assert "websockNotifConfig" not in made and made["supportedFeatures"] == "4"


def test_the_root_is_what_was_configured(sim):
    sim.more = "websocket_root: wss://gateway.example.org:8443/scef/ws/"
    sim.start()
    uri = sim.configuration()["websockNotifConfig"]["websocketUri"]
    assert uri.startswith("wss://gateway.example.org:8443/scef/ws/")
    with connect(f"ws://127.0.0.1:{sim.port}/ws/{uri.rsplit('/', 1)[1]}") as c:  # as the gateway would
        sim.uplink(b"\x01")
        acknowledge(c, take(c)[0])
        sim.await_total("notified", 1)


def test_triggers_and_events(sim):
    sim.start()
    transaction = sim.create(
        "/3gpp-device-triggering/v1/as1/transactions",
        supportedFeatures="3",
        validityPeriod=60,
        priority="NO_PRIORITY",
        applicationPortId=1,
        triggerPayload="AQ==",
    )
    with connect(transaction["websockNotifConfig"]["websocketUri"]) as c:
        number, body = take(c)
        assert body == {"transaction": transaction["self"], "result": "SUCCESS"}
        acknowledge(c, number)
    subscription = sim.create(
        "/3gpp-monitoring-event/v1/as1/subscriptions",
        supportedFeatures="1300",  # 13, and 9 and 10
        monitoringType="PDN_CONNECTIVITY_STATUS",
        monitorExpireTime="2099-01-01T00:00:00Z",
    )
    with connect(subscription["websockNotifConfig"]["websocketUri"]) as c:
        assert sim.ask("POST", f"/sim/v1/ues/{UE}/pdn?connected=0")[0] == 204
        number, body = take(c)
        assert body["subscription"] == subscription["self"]
        acknowledge(c, number)
    sim.await_total("notified", 2)


def test_a_token_is_needed_for_the_handshake_too(sim):
    sim.more = "oauth: {client_id: as1, client_secret: secret}"
    sim.start()
    form = b"grant_type=client_credentials&client_id=as1&client_secret=secret"
    token = sim.ask("POST", "/oauth2/token", form, **{"Content-Type": "application/x-www-form-urlencoded"})[1]
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    status, made = sim.ask(
        "POST",
        "/3gpp-nidd/v1/as1/configurations",
        {
            "supportedFeatures": "6",
            "externalId": UE,
            "notificationDestination": SILENCE,
            "websockNotifConfig": {"requestWebsocketUri": True},
        },
        **bearer,
    )
    assert status == 201
    uri = made["websockNotifConfig"]["websocketUri"]
    with pytest.raises(InvalidStatus) as refused, connect(uri):
        pass
    assert refused.value.response.status_code == 401
    with connect(uri, additional_headers=bearer):
        sim.await_total("connections", 1, "websockets")
