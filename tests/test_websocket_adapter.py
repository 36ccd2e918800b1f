"""scef-adapter with notifications by WebSocket (TS 29.122 clause 5.2.5.4), together with scef-sim: its callback URL leads
nowhere, so that what works, works over the WebSocket."""

import contextlib
import json
import socket
import ssl
import threading
import urllib.request

import pytest
from test_security import SECRET, World, free_port, mutual, wait_for

pytestmark = pytest.mark.timeout(120)
NOWHERE = {"url": "http://127.0.0.1:9/t8"}
WEBSOCKET = {"notifications": "websocket"}


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    try:
        yield w
        w.finish()
    finally:
        w.kill()
        w.server.close()
        w.client.close()


def websockets(world):
    return world.control("GET", "/scef")["websockets"]


def open_at_the_scef(world, n=1):
    wait_for(lambda: websockets(world)["connections"] == n, f"{n} WebSockets at the SCEF")


def metric(world, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{world.admin_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next((int(line.split()[-1]) for line in lines if line.startswith(f"scef_adapter_{name}")), None)


def test_all_notifications_come_by_websocket(world):
    world.start_sim()
    world.start_adapter({**WEBSOCKET, "test_notification": "true"}, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    for _ in range(5):
        world.works()
    wait_for(lambda: world.lines("test_notification"), "the test notification")
    totals = world.control("GET", "/scef")
    assert totals["notified"] == totals["websockets"]["acknowledged"] >= 6
    assert totals["given_up"] == totals["retries"] == 0
    assert metric(world, 'websockets{scef="scef",state="open"}') == 1
    taken = 'websocket_notifications_total{scef="scef",result="taken"}'  # more may come between two looks
    wait_for(lambda: metric(world, taken) == world.control("GET", "/scef")["notified"], "each that was taken is notified")
    with urllib.request.urlopen(f"http://127.0.0.1:{world.admin_port}/v1/scefs") as answer:
        assert json.load(answer)["scefs"][0]["websockets_open"] == 1


def test_over_mutual_tls_and_with_a_token(world):
    m = mutual(world)
    oauth = {"client_id": "as1", "client_secret": SECRET, "token_lifetime_s": 3600}
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"], oauth=oauth)
    token_url = f"https://127.0.0.1:{world.scef_port}/oauth2/token"
    client = {"token_url": token_url, "client_id": "as1", "secret_file": str(world.secret_file), "credentials": "body"}
    world.start_adapter({**m["scef"], **WEBSOCKET, "oauth": client}, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    world.works()
    assert metric(world, "websockets_lost_total") == 0


class Relay:
    """Between the adapter and the SCEF; can be cut."""

    def __init__(self, to):
        self.to, self.pairs = to, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                here = self.listener.accept()[0]
                there = socket.create_connection(("127.0.0.1", self.to))
                self.pairs.append((here, there))
                for a, b in ((here, there), (there, here)):
                    threading.Thread(target=self.carry, args=(a, b), daemon=True).start()

    @staticmethod
    def carry(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for pair in self.pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


def test_the_connection_is_cut_again_and_again(world):
    relay = Relay(world.scef_port)
    root = f"127.0.0.1:{relay.port}"
    world.start_sim(websocket_root=f"ws://{root}/ws", websocket_resend_ms=500)
    world.start_adapter({**WEBSOCKET, "api_root": f"http://{root}"}, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    for n in range(1, 4):
        world.works()
        relay.cut()
        world.client.sendto(b"\x50\x01\x00" + bytes([n]) + b"\xb1\x33", ("127.0.0.1", world.air_port))
        got = world.server.recv(2000)  # told over the next connection
        while got[1] != 0x01:
            got = world.server.recv(2000)
        wait_for(lambda n=n: metric(world, "websockets_lost_total") == n, "the loss is noticed")
    world.works()
    world.server.settimeout(0.3)
    with contextlib.suppress(TimeoutError):  # answers of the devices may still come, but no request a second time
        while got := world.server.recv(2000):
            assert got[1] != 0x01
    relay.close()


def test_found_again_after_a_restart(world):
    world.start_sim()
    world.start_adapter(WEBSOCKET, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    world.stop(world.adapter)
    open_at_the_scef(world, 0)
    world.start_adapter(WEBSOCKET, NOWHERE)  # its store was memory: the configuration is found in the list
    open_at_the_scef(world)
    world.works()
    assert world.configurations() == 1


def test_a_new_configuration_has_a_new_websocket(world):
    world.start_sim()
    world.start_adapter(WEBSOCKET, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    with urllib.request.urlopen(f"http://127.0.0.1:{world.scef_port}/3gpp-nidd/v1/as1/configurations") as answer:
        old = json.load(answer)[0]
    world.control("POST", f"/configurations/terminate?as=as1&id={old['self'].rsplit('/', 1)[1]}")
    wait_for(lambda: websockets(world)["accepted"] == 2, "the second WebSocket")
    open_at_the_scef(world)
    world.works()
    assert metric(world, 'websockets{scef="scef",state="used"}') == 1


def test_the_scef_forgets_everything(world):
    world.start_sim()
    world.start_adapter(WEBSOCKET, NOWHERE)
    world.configured()
    open_at_the_scef(world)
    world.control("POST", "/scef/restart?forget=1")  # no downlink will tell
    wait_for(lambda: websockets(world)["accepted"] == 2, "the second WebSocket")
    world.configured()
    world.works()


def test_a_scef_without_websockets_calls_back(world):
    world.start_sim(features={"nidd": "FD"})
    world.start_adapter(WEBSOCKET)
    world.configured()
    for _ in range(3):
        world.works()
    assert metric(world, 'websockets{scef="scef",state="used"}') == 0


def test_a_foreign_host_is_not_contacted(world):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        foreign.settimeout(1)
        world.start_sim(websocket_root=f"ws://127.0.0.1:{foreign.getsockname()[1]}/ws")
        world.start_adapter(WEBSOCKET, NOWHERE)
        wait_for(lambda: world.lines("websocket_not_used"), "the refusal")
        assert "allowed_hosts" in world.lines("websocket_not_used")[0]
        with pytest.raises(TimeoutError):
            foreign.accept()


def test_wrong_ca(world):
    """The host of the WebSocket shows another certificate than the SCEF."""
    port = free_port()
    m = mutual(world)
    bad = world.stranger.issue("stranger-scef")
    world.start_sim(tls=m["tls"], websocket_root=f"wss://127.0.0.1:{port}/ws")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*bad)
    with socket.create_server(("127.0.0.1", port)) as listener:

        def handshakes():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    with contextlib.suppress(OSError):
                        context.wrap_socket(connection, server_side=True)

        threading.Thread(target=handshakes, daemon=True).start()
        world.start_adapter({**m["scef"], **WEBSOCKET, "allowed_hosts": f"127.0.0.1:{port}"}, NOWHERE)
        wait_for(lambda: world.lines("websocket_failed", reason="unknown_ca"), "the refusal")
        assert metric(world, 'websockets{scef="scef",state="open"}') == 0
        listener.shutdown(socket.SHUT_RDWR)
