"""The ladder: one line per message on each hop, put together from the traces of the adapter and of scef-sim."""

from collections import deque

from exchanges import EMPTY, METHODS, Exchange, Exchanges, Operations

DEVICE, SCEF, ADAPTER, SERVER = range(4)
HOP = 12
TOKEN_WIDTH = 10
WIDTH = 149
PATIENCE_MS = 3000  # for a T8 status that a line waits for

# Each trace is in order by itself. Between the two, within one millisecond, a message goes up before it goes down.
RANKS = {"nas mo": 0, "uplink": 1, "to_server": 2, "from_server": 3, "submit": 4, "nas mt": 5, "submit_result": 6}


def rank(event):
    """What is no message comes as early as the order of its own trace allows, T8 results last."""
    name = f"nas {event['dir']}" if event["event"] == "nas" else event["event"]
    return event["ts_ms"], RANKS.get(name, 7 if name == "t8" else 0)


def lifelines(start, end, lost):
    """Four of them, with an arrow between two neighbours unless start is end."""
    parts = []
    for gap in range(3):
        line = " " * (HOP - 1)
        if start != end and gap == min(start, end):
            right = start < end
            line = "-" * (HOP - 2) + ">" if right else "<" + "-" * (HOP - 2)
            if lost:
                line = "----X" + " " * (HOP - 6) if right else " " * (HOP - 6) + "X----"
        parts.append(line)
    return "|" + "|".join(parts) + "|"


def heading():
    ends = "".join(name.ljust(HOP) for name in ("device", "SCEF", "adapter")) + "server"
    titles = f"{'time s':>8}  {'device':<8} {ends}"
    titles += f"  {'type':<4} {'code':<6} {'MID':>5} {'token':<{TOKEN_WIDTH}} {'T8':>3} {'NAS':>3}  what"
    hops = f"{'':>8}  {'':<8} |{'NAS'.center(HOP - 1)}|{'T8'.center(HOP - 1)}|{'CoAP'.center(HOP - 1)}|"
    return f"{titles}\n{hops}"


class Line:
    """One line of the ladder. `status` None: it has none; 0: not known yet."""

    def __init__(self, event, start, end):
        self.event, self.start, self.end = event, start, end
        self.status = None
        self.remark = ""
        self.about = None
        self.nas = 0
        self.lost = False

    def waits(self, now_ms):
        return self.status == 0 and now_ms - self.event["ts_ms"] < PATIENCE_MS

    def text(self, start_ms, what):
        e = self.event
        code = e.get("code", "")
        if code:
            code = "empty" if code == EMPTY else METHODS.get(code, code)
        what = f"{what}: {self.remark}" if what and self.remark else what or self.remark
        text = f"{(e['ts_ms'] - start_ms) / 1000:8.3f}  {e.get('ext_id', '').split('@')[0]:<8} "
        text += lifelines(self.start, self.end, self.lost)
        token = e.get("token", "")
        token = token if len(token) <= TOKEN_WIDTH else token[: TOKEN_WIDTH - 1] + "~"
        text += f"  {e.get('type', ''):<4} {code:<6} {e.get('mid', ''):>5} {token:<{TOKEN_WIDTH}}"
        text += f" {self.status or '':>3} {self.nas or '':>3}  {what}"
        return text.rstrip()[:WIDTH]


class Ladder:
    def __init__(self):
        self.exchanges = Exchanges()
        self.operations = Operations()
        self.waiting = {"adapter": deque(), "sim": deque()}  # events not looked at yet
        self.lines = deque()  # in order, not printed yet
        self.uplinks = {}  # device: lines of T8 notifications that wait for their status
        self.submits = {}  # seq: line
        self.latest_uplink = {}  # (device, token): exchange of the device's latest message
        self.told, self.asked = {}, {}  # (device, mid on the server leg): what that message is about
        self.newest = None

    def add(self, events, source):
        """Events of "adapter" or "sim", in their order."""
        self.waiting[source] += events

    def proceed(self, until_ms):
        """Looks at what happened until then; what comes in later of an earlier time is out of order."""
        while True:
            heads = [(rank(queue[0]), source) for source, queue in self.waiting.items() if queue]
            if not heads or min(heads)[0][0] > until_ms:
                return
            source = min(heads)[1]
            event = self.waiting[source].popleft()
            (self._adapter if source == "adapter" else self._sim)(event)

    def printable(self, now_ms, start_ms):
        """Texts of the lines that are complete, up to the first one that is not."""
        texts = []
        while self.lines and not self.lines[0].waits(now_ms):
            line = self.lines.popleft()
            texts.append(line.text(start_ms, self._what(line)))
        return texts

    # --- what the lines are made from

    def _line(self, event, start, end, remark="", about=None):
        """`about` is what the message belongs to: an Exchange, or a token when there is no exchange yet."""
        line = Line(event, start, end)
        line.remark, line.about = remark, about
        self.lines.append(line)
        return line

    def _what(self, line):
        if isinstance(line.about, Exchange):
            return self.operations.name(line.about)
        return self.operations.names.get((line.event.get("ext_id"), line.about), "")

    # --- scef-sim

    def _sim(self, event):
        if event["event"] == "nas":
            self._nas(event)
        elif event["event"] == "t8" and event["dir"] == "out":
            waiting = self.uplinks.get(event["ext_id"])
            if waiting:
                waiting.popleft().status = event["status"]

    def _nas(self, event):
        exchange = self.exchanges.feed(event)
        if event["what"] == "sent":
            ends = (DEVICE, SCEF) if event["dir"] == "mo" else (SCEF, DEVICE)
            self.newest = self._line(event, *ends, about=exchange)
            self.newest.nas = exchange.nas if exchange else 0
        elif event["what"] == "lost":
            self.newest.lost = True
            self.newest.remark = "lost on the radio"
        elif event["what"] == "duplicated":
            self.newest.remark = "arrives twice"

    # --- the adapter

    def _adapter(self, event):
        kind = event["event"]
        if kind in ("uplink", "to_server", "from_server", "submit", "submit_result", "configuration"):
            getattr(self, f"_{kind}")(event)
        elif kind in ("dropped", "spooled", "server_state"):
            state = {True: "up", False: "down"}.get(event.get("up"), event.get("reason", ""))
            self._line(event, ADAPTER, ADAPTER, f"adapter: {kind.replace('_', ' ')} {event.get('server', '')} {state}")

    def _of_nas(self, event, way):
        """The exchange of a message that is on T8 as it is on NAS; an ACK bears the Message ID of the other way."""
        if event["type"] in ("ACK", "RST"):
            way = "mt" if way == "mo" else "mo"
        return self.exchanges.by_mid.get((event["ext_id"], way, event["mid"]))

    def _uplink(self, event):
        exchange = self._of_nas(event, "mo")
        line = self._line(event, SCEF, ADAPTER, about=exchange)
        line.status = 0
        self.uplinks.setdefault(event["ext_id"], deque()).append(line)
        self.latest_uplink[event["ext_id"], event.get("token", "")] = exchange

    def _submit(self, event):
        reaction = event["type"] in ("ACK", "RST")
        about = self._of_nas(event, "mt") if reaction else event.get("token", "")
        line = self._line(event, ADAPTER, SCEF, event.get("reason", ""), about)
        line.status = 0
        self.submits[event["seq"]] = line

    def _submit_result(self, event):
        line = self.submits.pop(event.get("seq"), None)
        if line is None:
            return
        line.status = event["status"]
        if event["status"] not in (200, 201):
            line.lost = True
            asleep = event.get("cause") == "TEMPORARILY_NOT_REACHABLE"
            line.remark = f"{'asleep' if asleep else event.get('cause') or 'no answer'}, stays queued"

    def _configuration(self, event):
        line = self._line(event, ADAPTER, SCEF, f"NIDD configuration {event.get('reason', '')}")
        line.status = event.get("status")

    def _to_server(self, event):
        device, remark = event["ext_id"], event.get("reason", "")
        if event.get("code") == EMPTY:
            about = self.asked.get((device, event["mid"]))
            remark = remark or ("stored, the answer will follow" if event["type"] == "ACK" else "")
        else:
            token = event.get("token", "")
            about = self.latest_uplink.get((device, token)) or token
            self.told[device, event["mid"]] = about
        self._line(event, ADAPTER, SERVER, remark, about).lost = remark == "send_failed"

    def _from_server(self, event):
        device, remark = event["ext_id"], ""
        if event["type"] in ("ACK", "RST"):
            about = self.told.get((device, event["mid"]))
            remark = "the server has it" if event.get("code") == EMPTY else ""
        else:
            about = self.asked[device, event["mid"]] = event.get("token", "")
        self._line(event, SERVER, ADAPTER, remark, about)
