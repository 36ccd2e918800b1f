#!/usr/bin/env python3
"""A start on a large store: how long until the adapter serves, and what it holds in memory.

  1. devices_file with --devices lines; the first start reads it and stores the devices (the slow way)
  2. --messages requests are put into the store, each for another device
  3. the second start, timed from exec: /readyz is 200; the first uplink has come out at the server; the first datagram of
     the server is acknowledged; all messages are loaded; all devices are loaded

The SCEF answers 503, so that no NIDD configuration is ever made. With --cold the kernel's page cache is dropped before
the timed start (as root). Everything is under build/restart, and is removed at the end. Nothing is asserted on time."""

import argparse
import base64
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAP_MIB = 16384


class Refuses(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(503)
        self.send_header("Retry-After", "3600")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Adapter:
    def __init__(self, options, directory):
        self.binary = os.path.join(TOP, options.build, "bin", "scef-adapter")
        self.directory = directory
        tcp = [free_port(socket.SOCK_STREAM) for _ in range(2)]
        self.callback, self.admin = tcp
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        self.server.settimeout(60)
        self.scef = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
        threading.Thread(target=self.scef.serve_forever, daemon=True).start()
        self.leg_port = free_port(socket.SOCK_DGRAM)
        config = {
            "scef": {"api_root": f"http://127.0.0.1:{self.scef.server_port}", "scs_as_id": "as1"},
            "callback": {"listen": f"127.0.0.1:{self.callback}"},
            "admin": {"listen": f"127.0.0.1:{self.admin}"},
            "store": {"path": os.path.join(directory, "store"), "max_size_mib": MAP_MIB},
            "server_leg": {"prefix": "127.0.0.0/8", "port": self.leg_port},
            "servers": [{"name": "main", "uri": f"coap://127.0.0.1:{self.server.getsockname()[1]}"}],
            "devices_file": "devices.jsonl",
        }
        self.path = os.path.join(directory, "adapter.yaml")
        with open(self.path, "w") as out:
            json.dump(config, out)
        self.process = None

    def start(self):
        self.log = os.path.join(self.directory, "adapter.log")
        self.began = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.binary, "--config", self.path], stderr=log)

    def since(self):
        return time.monotonic() - self.began

    def request(self, port, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait(self, condition, pause=0.005):
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the adapter ended:\n{open(self.log).read()[-3000:]}")
            try:
                if condition():
                    return self.since()
            except OSError:
                pass
            time.sleep(pause)

    def answers(self, path):
        return self.request(self.admin, "GET", path)[0] == 200

    def logged(self, event):
        with open(self.log) as log:
            return any(f" event={event} " in f"{line.rstrip()} " for line in log)

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))

    def anonymous_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) // 1024 for line in status if line.startswith("RssAnon"))

    def metric(self, name):
        for line in self.request(self.admin, "GET", "/metrics")[1].decode().splitlines():
            if line.split(" ")[0] == f"scef_adapter_{name}":
                return int(float(line.split(" ")[1]))
        return 0

    def uplink(self, device, number):
        """A NON registration update of the device, until the server has it; the device's address."""
        message = struct.pack("!BBH", 0x54, 0x02, number) + struct.pack("!I", number) + b"\xb2rd"
        link = f"http://127.0.0.1:{self.scef.server_port}/3gpp-nidd/v1/as1/configurations/x"
        body = {"niddConfiguration": link, "externalId": device, "data": base64.b64encode(message).decode()}
        status, text = self.request(self.callback, "POST", "/t8/nidd/scef/0", json.dumps(body))
        if status != 204:
            raise OSError(f"{status} {text}")
        while True:
            data, source = self.server.recvfrom(2048)
            if data[4:8] == struct.pack("!I", number):
                return source

    def datagram(self, address, number):
        """A request of the server to the device's address, until it is acknowledged."""
        self.server.settimeout(0.5)
        for _ in range(100):
            self.server.sendto(struct.pack("!BBH", 0x44, 0x01, number) + struct.pack("!I", number) + b"\xb13\x010", address)
            try:
                while True:
                    data, source = self.server.recvfrom(2048)
                    if source == address and data[:1] == b"\x60" and data[2:4] == struct.pack("!H", number):
                        return
            except TimeoutError:
                pass
        raise OSError("no acknowledgement")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def first_start(adapter, figures):
    adapter.start()
    figures["first_start_listening_s"] = adapter.wait(lambda: adapter.answers("/livez"), 0.05)
    figures["first_start_imported_s"] = adapter.wait(lambda: adapter.logged("imported"), 0.2)
    figures["first_start_peak_mib"] = adapter.peak_mib()
    adapter.stop()


def timed_start(adapter, devices, figures, name):
    adapter.start()
    figures[f"{name}_ready_s"] = adapter.wait(lambda: adapter.answers("/readyz"))
    _, number = f"dev{devices - 7}@example.org", 4711
    adapter.uplink(f"dev{devices - 7}@example.org", number)
    figures[f"{name}_first_uplink_s"] = adapter.since()
    # Legs are given in the file's order: that of a device that nobody has spoken of yet.
    leg = devices - 13 + 1
    address = ".".join(str(leg >> shift & 255 | (127 if shift == 24 else 0)) for shift in (24, 16, 8, 0))
    adapter.datagram((address, adapter.leg_port), number + 1)
    figures[f"{name}_first_datagram_s"] = adapter.since()
    status, body = adapter.request(adapter.admin, "GET", f"/v1/devices/dev{devices - 19}@example.org")
    assert status == 200, body
    figures[f"{name}_first_shown_s"] = adapter.since()
    figures[f"{name}_resident_then_mib"] = adapter.resident_mib()
    figures[f"{name}_anonymous_then_mib"] = adapter.anonymous_mib()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    directory = os.path.join(TOP, "build", "restart")
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    figures = {"devices": options.devices, "messages": options.messages}
    try:
        with open(os.path.join(directory, "devices.jsonl"), "w") as out:
            for n in range(options.devices):
                out.write(f'{{"external_id": "dev{n}@example.org"}}\n')
        adapter = Adapter(options, directory)
        first_start(adapter, figures)
        fill = os.path.join(TOP, options.build, "bin", "bench_store_fill")
        store = os.path.join(directory, "store")
        subprocess.run([fill, store, str(MAP_MIB), str(options.messages), str(options.devices), "main"], check=True)
        figures["store_mib"] = os.stat(os.path.join(store, "data.mdb")).st_blocks // 2048
        if options.cold:
            subprocess.run(["sync"], check=True)
            with open("/proc/sys/vm/drop_caches", "w") as drop:
                drop.write("3\n")
            timed_start(adapter, options.devices, figures, "cold")
            adapter.stop()
        timed_start(adapter, options.devices, figures, "warm")
        figures["messages_loaded_s"] = adapter.wait(lambda: adapter.metric("queued_messages") >= options.messages, 0.2)
        figures["all_loaded_s"] = adapter.wait(lambda: adapter.logged("loaded"), 0.5)
        figures["loaded_anonymous_mib"] = adapter.anonymous_mib()
        adapter.stop()
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
