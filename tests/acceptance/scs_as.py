"""An SCS/AS as somebody else would write it: Python's standard library, no line of this project.

It knows a SCEF by the root of its API alone, and receives notifications at a port of its own."""

import base64
import http.client
import http.server
import json
import queue
import threading
import urllib.parse


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.raw = status, headers, body

    @property
    def media_type(self):
        return self.headers.get("Content-Type", "").split(";")[0].strip()

    @property
    def json(self):
        return json.loads(self.raw) if self.raw else None


class ScsAs:
    def __init__(self, api_root, scs_as_id, external_id):
        self.api_root, self.scs_as_id, self.external_id = api_root, scs_as_id, external_id
        self.notifications = queue.Queue()  # (media type, body)
        self.answer = 204
        own = self

        class Listener(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                own.notifications.put((self.headers["Content-Type"].split(";")[0], json.loads(body)))
                self.send_response(own.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.destination = f"http://127.0.0.1:{self.server.server_port}/notify"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def collection(self, api="3gpp-nidd", resource="configurations"):
        return f"{self.api_root}/{api}/v1/{self.scs_as_id}/{resource}"

    def ask(self, method, url, body=None, media_type="application/json"):
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.api_root, url))
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, parts.path, data, {"Content-Type": media_type} if data else {})
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def notification(self, timeout=15):
        """The next one: (media type, body); None when none comes."""
        try:
            return self.notifications.get(timeout=timeout)
        except queue.Empty:
            return None, None

    # ---- what an application does

    def configure(self, **members):
        body = {"externalId": self.external_id, "notificationDestination": self.destination, "supportedFeatures": "0", **members}
        return self.ask("POST", self.collection(), body)

    def deliver(self, configuration, data, **members):
        body = {"externalId": self.external_id, "data": base64.b64encode(data).decode(), **members}
        return self.ask("POST", configuration + "/downlink-data-deliveries", body)
