"""Server legs of every transport for servers that speak UDP only: a front stands before them (leg_front.c)."""

import stream_wire
from stack import free_ports

SCHEMES = ("coap", "coaps", "coap+tcp", "coaps+tcp")


def servers(stack, scheme):
    """`servers` of the adapter's configuration: the one at stack.server_port, by this scheme. Starts its front."""
    host = "127.0.0.1"
    if scheme == "coap":
        return [{"name": "main", "uri": f"coap://{host}:{stack.server_port}"}]
    authority, port = stream_wire.Authority(stack.directory, "ca"), free_ports()
    certificate, key = authority.issue(host)
    front = stack.start(
        "leg_front",
        *("--scheme", scheme, "--host", host, "--port", port, "--server-port", stack.server_port),
        *("--certificate", certificate, "--key", key),
    )
    stack.wait(lambda: front.named("listening"), "the front is there")
    secure = {"ca_file": str(authority.path)} if scheme.startswith("coaps") else {}
    return [{"name": "main", "uri": f"{scheme}://{host}:{port}", **secure}]
