"""CoAP exchanges over NAS, counted from the trace of scef-sim alone.

An exchange is a request with its answer, or a notification with its acknowledgement; every NAS message that one of its
messages costs, lost ones and repetitions included, counts for it.

    register, update, send, deregister   the device asks     MO request, MT answer
    read, observe, write, execute ...    the server asks     MT request, MO answer
    notify (CON)                                             MO notification, MT empty ACK
    notify (NON)                                             MO notification
"""

import json
import re
from dataclasses import dataclass, field

EMPTY = "0.00"
METHODS = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE", "0.05": "FETCH", "0.06": "PATCH"}


class JsonLines:
    """The objects in a growing file of JSON lines, each once."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def read(self):
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def is_request(code):
    return code.startswith("0.") and code != EMPTY


@dataclass
class Exchange:
    device: str  # External Identifier
    asked_by: str  # "device", "server" or "notify"
    confirmable: bool
    code: str
    token: str
    start_ms: int
    nas: int = 0
    answer: str = ""  # code of the answer that arrived; of a notification "ACK", "RST" or "-" (NON)
    end_ms: int = 0
    codes: dict = field(default_factory=dict)  # (direction, mid): code of its CON and NON messages

    def answered(self):
        return bool(self.answer)

    def good(self):
        return self.answer.startswith("2.") or self.answer in ("ACK", "-")


@dataclass
class Exchanges:
    """Fed with the events of scef-sim in their order."""

    all: list = field(default_factory=list)
    by_mid: dict = field(default_factory=dict)  # (device, direction, mid): of the latest CON or NON
    by_token: dict = field(default_factory=dict)  # (device, direction, token): of the latest request

    def feed(self, event):
        """Returns the exchange that a NAS message belongs to, or None."""
        if event["event"] != "nas" or "type" not in event or event["what"] not in ("sent", "delivered"):
            return None
        exchange = self._of(event)
        if exchange is None:
            return None
        if event["what"] == "sent":
            exchange.nas += 1
        else:
            self._delivered(exchange, event)
        return exchange

    def _of(self, event):
        device, way, kind, code = event["ext_id"], event["dir"], event["type"], event["code"]
        mid, token = event["mid"], event.get("token", "")
        back = "mt" if way == "mo" else "mo"
        if kind in ("ACK", "RST"):
            found = self.by_mid.get((device, back, mid))
            if found is None and code != EMPTY:
                found = self.by_token.get((device, back, token))
            return found
        known = self.by_mid.get((device, way, mid))
        if known is not None and known.token == token and known.codes.get((way, mid)) == code:
            return known
        if is_request(code) or code == EMPTY:
            exchange = self._new(event, "device" if way == "mo" else "server")
            if code != EMPTY:
                self.by_token[device, way, token] = exchange
        else:
            exchange = self.by_token.get((device, back, token))
            if exchange is None or (exchange.answered() and way == "mo"):
                exchange = self._new(event, "notify")
        self.by_mid[device, way, mid] = exchange
        exchange.codes[way, mid] = code
        return exchange

    def _new(self, event, asked_by):
        exchange = Exchange(
            event["ext_id"], asked_by, event["type"] == "CON", event["code"], event.get("token", ""), event["ts_ms"]
        )
        self.all.append(exchange)
        return exchange

    def _delivered(self, exchange, event):
        if exchange.answered():
            return
        code, answers = event["code"], event["dir"] == ("mt" if exchange.asked_by == "device" else "mo")
        if exchange.asked_by == "notify":
            if event["type"] in ("ACK", "RST"):
                exchange.answer = event["type"]
            elif event["type"] == "NON":
                exchange.answer = "-"
        elif answers and (code != EMPTY or event["type"] == "RST"):
            exchange.answer = code if code != EMPTY else "RST"
        exchange.end_ms = event["ts_ms"]


class Operations:
    """What each exchange is about, from the events of sim-lwm2m-server: there the paths are known."""

    def __init__(self):
        self.names = {}  # (device, token): "read /3/0"

    def feed(self, event):
        names = {"registered": "register", "updated": "update", "deregistered": "deregister", "send": "send"}
        if "ep" not in event or "token" not in event:
            return
        device = re.sub("^urn:nai:", "", event["ep"])
        if event["event"] == "request":
            self.names[device, event["token"]] = f"{event['op']} {event['path']}"
        elif event["event"] in names:
            self.names[device, event["token"]] = names[event["event"]]

    def name(self, exchange):
        name = self.names.get((exchange.device, exchange.token))
        if exchange.asked_by == "notify" and not exchange.code.startswith("2."):
            return "observe end"  # an error to whoever observes, RFC 7641 clause 4.2
        if exchange.asked_by == "notify":
            return f"notify {'CON' if exchange.confirmable else 'NON'}"
        if exchange.code == EMPTY:
            return "ping"
        return name or METHODS.get(exchange.code, exchange.code)


def nas_expected(exchange):
    """Without loss."""
    return 2 if exchange.confirmable else 1
