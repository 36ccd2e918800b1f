"""What the demonstration came to: exchanges with their NAS messages, downlink messages with their final states."""

from collections import Counter, defaultdict

from exchanges import is_request, nas_expected

ORDER = ["register", "update", "send", "read", "observe", "write", "execute", "notify CON", "notify NON", "deregister"]


class Downlinks:
    """The messages that the adapter took for devices, from its trace."""

    def __init__(self):
        self.accepted = {}  # seq: the event, with state, age_ms, submits and refused added as they happen
        self.replies = Counter()  # final states of answers and acknowledgements

    def feed(self, event):
        seq, kind = event.get("seq"), event["event"]
        if kind == "accepted" and is_request(event.get("code", "")):
            self.accepted[seq] = {**event, "state": "", "submits": 0, "asleep": 0}
        elif kind == "final" and seq not in self.accepted:
            self.replies[event["state"]] += 1
        elif seq not in self.accepted:
            return
        elif kind == "final":
            self.accepted[seq].update(state=event["state"], age_ms=event["age_ms"], reason=event.get("reason", ""))
        elif kind == "submit":
            self.accepted[seq]["submits"] += 1
        elif kind == "submit_result" and event["status"] == 500:
            self.accepted[seq]["asleep"] += 1


def grouped(exchanges, operations):
    """{(device, operation): exchanges}, in the order of the report."""
    groups = defaultdict(list)
    for exchange in exchanges:
        groups[exchange.device, operations.name(exchange).split(" /")[0]].append(exchange)

    def place(key):
        return key[0], ORDER.index(key[1]) if key[1] in ORDER else len(ORDER), key[1]

    return {key: groups[key] for key in sorted(groups, key=place)}


def exchange_table(exchanges, operations, descriptions):
    rows = [
        "Exchanges, and how many NAS messages one of them cost (both directions; lost and repeated messages count)",
        "",
        f"{'device':<8} {'which is':<34} {'operation':<12} {'exchanges':>9} {'answered':>9}   "
        f"{'NAS least':>9} {'mean':>5} {'most':>5} {'needed':>7}",
    ]
    last = None
    for (device, operation), group in grouped(exchanges, operations).items():
        counts = [exchange.nas for exchange in group]
        new = device != last
        if new and last:
            rows.append("")
        last = device
        rows.append(
            f"{device.split('@')[0] if new else '':<8} {descriptions.get(device, '') if new else '':<34} "
            f"{operation:<12} {len(group):>9} {sum(e.answered() for e in group):>9}   "
            f"{min(counts):>9} {sum(counts) / len(counts):>5.1f} {max(counts):>5} {nas_expected(group[0]):>7}"
        )
    return rows


def downlink_table(downlinks, operations, start_ms):
    rows = [
        "Downlink messages: what the server asked of the devices, and how each ended",
        "",
        f"{'device':<8} {'operation':<14} {'accepted at':>12} {'final state':<12} {'after':>10} {'T8 POSTs':>9} "
        f"{'of them while asleep':>21}",
    ]
    for m in sorted(downlinks.accepted.values(), key=lambda m: (m["ext_id"], m["seq"])):
        age = f"{m['age_ms'] / 1000:.3f} s" if "age_ms" in m else ""
        rows.append(
            f"{m['ext_id'].split('@')[0]:<8} {operations.names.get((m['ext_id'], m.get('token')), '?'):<14} "
            f"{(m['ts_ms'] - start_ms) / 1000:>10.3f} s {m['state'] or 'none yet':<12} {age:>10} "
            f"{m['submits']:>9} {m['asleep'] or '':>21}".rstrip()
        )
    replies = ", ".join(f"{count} {state}" for state, count in downlinks.replies.items())
    rows += ["", f"Answers and acknowledgements to the devices' own messages: {replies}"]
    return rows


def verdict(exchanges, operations, downlinks, lossy, executions, expected_executions):
    """What is not as it should be, one line each."""
    faults = []
    for exchange in exchanges:
        what = f"{exchange.device} {operations.name(exchange)}"
        if exchange.confirmable and not exchange.good():
            faults.append(f"{what}: {'not answered' if not exchange.answer else 'answered ' + exchange.answer}")
        elif exchange.device not in lossy and exchange.nas != nas_expected(exchange):
            faults.append(f"{what}: {exchange.nas} NAS messages instead of {nas_expected(exchange)}")
    for message in downlinks.accepted.values():
        if message["state"] != "answered":
            what = operations.names.get((message["ext_id"], message.get("token")), "downlink")
            faults.append(f"{message['ext_id']} {what}: final state {message['state'] or 'none'}, not answered")
    for device, count in executions.items():
        if count != expected_executions:
            faults.append(f"{device} executed {count} times what it was told {expected_executions} times")
    return faults
