"""Over TLS our client speaks HTTP/2 with a SCEF that offers it by ALPN (TS 29.122 clauses 5.2.2.1 and 5.2.5.2), and
HTTP/1.1 with one that does not. The SCEF is Node's own HTTP/2 server."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/t8")]

from client_operations import CONFIGURATIONS, D9, OPERATIONS  # noqa: E402
from test_conformance import BIN  # noqa: E402
from test_security import Authority  # noqa: E402

# Prints its port, then a line for each request: protocol, method, path, media type, body.
SERVER = """
const [key, cert, protocol] = process.argv.slice(1);
const fs = require('fs');
const tls = { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
const answer = (request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
        console.log(JSON.stringify([request.httpVersion, request.socket.alpnProtocol, request.method, request.url,
                                    request.headers['content-type'] || null, body]));
        const created = request.method === 'POST';
        response.writeHead(created ? 201 : 204, created ? { location: request.url + '/c7' } : {});
        response.end();
    });
};
const server = protocol === 'h2' ? require('http2').createSecureServer(tls, answer)
                                 : require('https').createServer({ ...tls, ALPNProtocols: ['http/1.1'] }, answer);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
@pytest.mark.parametrize(("protocol", "version"), [("h2", "2.0"), ("http/1.1", "1.1")])
def test_requests_arrive_by(tmp_path, protocol, version):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("scef")
    names = list(OPERATIONS)
    with subprocess.Popen(["node", "-e", SERVER, key, certificate, protocol], stdout=subprocess.PIPE, text=True) as scef:
        try:
            port = int(scef.stdout.readline())
            out = subprocess.run([BIN / "ask_scef", "--root", f"https://127.0.0.1:{port}", "--ca", authority.file, *names],
                                 capture_output=True, text=True, timeout=60, check=True).stdout  # fmt: skip
            requests = [json.loads(scef.stdout.readline()) for _ in names]
        finally:
            scef.terminate()
    results = [json.loads(line) for line in out.splitlines()]
    assert [r["status"] for r in results] == [201 if o.method == "POST" else 204 for o in OPERATIONS.values()]
    assert results[names.index("CONFIGURATION_CREATE")]["link"] == "/as1/configurations/c7"
    for request, operation in zip(requests, OPERATIONS.values(), strict=True):
        assert request[:2] == [version, protocol]
        assert request[2:4] == [operation.method, operation.path]
        assert bool(request[5]) == bool(operation.sends)
    by_path = {(r[2], r[3]): r for r in requests}
    assert by_path["POST", CONFIGURATIONS][4] == "application/json"
    assert json.loads(by_path["PATCH", D9][5]) == {"priority": 3}
