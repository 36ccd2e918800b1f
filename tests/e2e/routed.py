"""Several servers for the devices of one SCEF: the SCEF and the servers are the test, the adapter is in between."""

import json
import signal
from base64 import b64decode, b64encode

import wire
from fake_scef import FakeScef
from stack import free_ports

DEVICE, OTHER = "dev1@example.org", "dev2@example.org"


class Servers:
    """`main` is the first one, to which goes what no route sends elsewhere."""

    def __init__(self, stack, names):
        self.stack, self.mid = stack, 0
        self.ports = {name: free_ports() for name in names} | {"main": stack.server_port}
        self.peers = {name: wire.Peer(at=("127.0.0.1", port)) for name, port in self.ports.items()}
        self.scef = FakeScef(stack.scef_port)

    def __getitem__(self, name):
        return self.peers[name]

    def servers(self):
        names = ["main", *(name for name in self.ports if name != "main")]
        return [{"name": name, "uri": f"coap://127.0.0.1:{self.ports[name]}"} for name in names]

    def start(self, devices=(DEVICE, OTHER), **sections):
        self.stack.start_adapter(devices, servers=self.servers(), **sections)
        for device in devices:
            self.active(device if isinstance(device, str) else device["external_id"])

    def active(self, device):
        self.stack.wait(lambda: self.stack.device(device)["configuration"] == "active", f"{device} is configured")

    def reload(self, devices=(DEVICE, OTHER), event="reloaded", **sections):
        """SIGHUP with another configuration; returns when the log tells what became of it."""
        before = len(self.stack.log(event))
        config = self.stack.adapter_config(devices, **{"servers": self.servers(), **sections})
        (self.stack.directory / "adapter.yaml").write_text(json.dumps(config))
        self.hang_up()
        self.stack.wait(lambda: len(self.stack.log(event)) > before, event)

    def hang_up(self):
        self.stack.adapter.process.send_signal(signal.SIGHUP)

    def up(self, message, device=DEVICE, **members):
        """The device says this; the SCEF's notification is answered 204."""
        data = message if isinstance(message, bytes) else message.encode()
        reply = self.stack.notify(self.notification(data, device, **members))
        assert reply.status == 204, reply.body

    def notification(self, data, device, **members):
        return {
            "niddConfiguration": self.scef.link(device),
            "externalId": device,
            "data": b64encode(data).decode(),
            **members,
        }

    def say(self, path="/x", kind=wire.NON, options=(), device=DEVICE, method=wire.POST, **members):
        """A request of the device; its token, by which the server that gets it knows it."""
        self.mid += 1
        token = b"up" + self.mid.to_bytes(2, "big")
        self.up(wire.request(method, path, self.mid, token, kind, options), device, **members)
        return token

    def got(self, token):
        """Who has got it; and nobody else has. Its address is in .source."""
        message = None
        for _ in range(400):
            for name, peer in self.peers.items():
                message = peer.receive(0.05)
                if message and message.token == token:
                    others = [other.receive(0.05) for other in self.peers.values() if other is not peer]
                    assert not any(o and o.token == token for o in others), "sent to two servers"
                    return name, message
        raise AssertionError(f"{token.hex()} came to no server")

    def delivered(self, device, count):
        """The messages to the device so far, when there are so many."""
        found = lambda: self.scef.deliveries(device)  # noqa: E731
        self.stack.wait(lambda: len(found()) >= count, f"{count} deliveries to {device}")
        return [wire.decode(b64decode(request.json()["data"])) for request in found()]

    def nothing(self, name, seconds=0.3):
        assert self.peers[name].receive(seconds) is None

    def close(self):
        self.scef.close()
        for peer in self.peers.values():
            peer.close()
