"""A SCEF made of bare HTTP, which answers well or as badly as a test wants it to."""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field

ROOT = "/3gpp-nidd/v1/as1/configurations"


@dataclass
class Request:
    method: str
    path: str
    body: bytes

    def about(self, device):
        """Does it concern this device?"""
        return device.encode() in self.body or self.path.split("/")[5:6] == [slug(device)]

    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: object = b""  # bytes, or something for JSON
    headers: dict = field(default_factory=dict)
    raw: bytes = None  # instead of all of the above
    then: str = "go on"  # or "close", "reset", "hang"

    def bytes(self):
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": len(body), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Whatever\r\n{lines}\r\n".encode() + body


def slug(device):
    return device.split("@")[0]


class FakeScef:
    """Serves each connection in a thread. `answer(request)` decides; None: the good answer."""

    def __init__(self, port):
        self.port = port
        self.answer = lambda request: None
        self.requests = []
        self.configurations = {}  # made here: {the path's last part: body}
        self.open = []
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def link(self, device):
        return f"http://127.0.0.1:{self.port}{ROOT}/{slug(device)}"

    def deliveries(self, device):
        """Downlink POSTs for the device."""
        path = f"{ROOT}/{slug(device)}/downlink-data-deliveries"
        return [request for request in list(self.requests) if request.path == path]

    def good(self, request):
        if request.path == ROOT and request.method == "POST":
            body = request.json()
            name = body.get("externalGroupId") or body.get("externalId") or body["msisdn"]
            link = self.link(name)
            body |= {"self": link, "maximumPacketSize": 10864, "status": "ACTIVE"}
            self.configurations[slug(name)] = body
            return Answer(201, body, {"Location": link})
        if request.path == ROOT:
            return Answer(200, list(self.configurations.values()))
        if request.path.endswith("/downlink-data-deliveries"):
            return Answer(200, {**request.json(), "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"})
        if request.method == "GET" and request.path.rsplit("/", 1)[1] in self.configurations:
            return Answer(200, self.configurations[request.path.rsplit("/", 1)[1]])
        if request.method == "GET":
            device = f"{request.path.rsplit('/', 1)[1]}@example.org"
            body = {"self": self.link(device), "externalId": device, "notificationDestination": "http://127.0.0.1:1/"}
            return Answer(200, {**body, "maximumPacketSize": 10864, "status": "ACTIVE"})
        return Answer(404, {"status": 404})

    def close(self):
        self.closing.set()
        self.listener.close()
        for connection in self.open:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        try:
            with connection.makefile("rb") as stream:
                while request := self._read(stream):
                    self.requests.append(request)
                    answer = self.answer(request) or self.good(request)
                    connection.sendall(answer.bytes())
                    if answer.then == "hang":
                        self.closing.wait()
                    if answer.then == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    if answer.then != "go on":
                        return
        except OSError:
            pass  # the adapter has had enough
        finally:
            connection.close()

    @staticmethod
    def _read(stream):
        head = stream.readline().split()
        if len(head) != 3:
            return None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return Request(head[0].decode(), head[1].decode(), stream.read(length))
