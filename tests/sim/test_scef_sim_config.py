"""scef-sim's arguments and its configuration: every mistake is one line, FILE:LINE: KEY: what."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

BIN = pathlib.Path(
    os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent.parent / "build/release/bin"
)


def run(*arguments):
    return subprocess.run([BIN / "scef-sim", *arguments], capture_output=True, text=True, timeout=10)


def test_help_and_version(tmp_path):
    assert run("--help").stdout.startswith("usage: scef-sim --config FILE")
    assert re.fullmatch(r"scef-sim \d+\.\d+\.\d+\n", run("--version").stdout)
    help_config = run("--help-config")
    assert help_config.returncode == 0 and "maximum_packet_size_bits: 10864" in help_config.stdout
    config = tmp_path / "all.yaml"  # what it prints can be read back
    config.write_text(help_config.stdout.replace("127.0.0.1:8080", "127.0.0.1:0"))
    process = subprocess.Popen([BIN / "scef-sim", "--config", config], stderr=subprocess.PIPE, text=True)
    assert "event=listening" in process.stderr.readline()
    process.terminate()
    assert process.wait(10) == 0
    process.stderr.close()
    for arguments in ((), ("--config",), ("--nonsense",), ("--config", config, "more")):
        assert run(*arguments).returncode == 2


GOOD = "listen: 127.0.0.1:0\nues:\n  - external_id: a@x\n"


@pytest.mark.parametrize(
    "text, line, key, what",
    [
        ("listen: [\n", 2, "yaml", "did not find expected node content"),
        ("ues:\n\t- a: b\n", 2, "yaml", "token"),
        ("", 1, "ues", "missing"),
        ("- 1\n", 1, "yaml", "MAPPING"),
        ("listen: 127.0.0.1:0\n", 1, "ues", "missing"),
        ("ues: 5\n", 1, "ues", "SEQUENCE"),
        ("listen: nowhere:1\nues: []\n", 1, "listen", "'nowhere:1' is not ADDRESS:PORT"),
        ("ues: []\nlisten: 127.0.0.1\n", 2, "listen", "ADDRESS:PORT"),
        ("ues: []\nlisten: 127.0.0.1:70000\n", 2, "listen", "ADDRESS:PORT"),
        ("ues: []\nsed: 5\n", 2, "sed", "no such key"),
        ("ues: []\nseed: -1\n", 2, "seed", "-1 is not in 0 to"),
        ("ues: []\nseed: one\n", 2, "seed", "one"),
        (GOOD + "    pms: true\n", 4, "pms", "no such key"),
        (GOOD + "    psm: true\n    loss: 0\n    psm: no\n", 6, "psm", "twice"),
        (GOOD + "    psm: maybe\n", 4, "psm", "maybe"),
        (GOOD + "    loss: 1.5\n", 4, "loss", "1.5 is not in 0 to 1"),
        (GOOD + "    loss: .nan\n", 4, "loss", "."),
        (GOOD + "    loss: much\n", 4, "loss", "much"),
        (GOOD + "    delay_ms: [5]\n", 4, "delay_ms", "1 of 2"),
        (GOOD + "    delay_ms: [200, 50]\n", 4, "delay_ms", "[200, 50] is not [least, most]"),
        (GOOD + "    delay_ms: 50\n", 4, "delay_ms", "SEQUENCE"),
        (GOOD + "    client: real\n", 4, "client", "real"),
        (GOOD + "    client: air\n", 3, "air", "is missing"),
        (GOOD + "    client: air\n    air: somewhere\n", 5, "air", "ADDRESS:PORT"),
        (GOOD + "    client: air\n    air: 127.0.0.1:0\n", 5, "air", "ADDRESS:PORT"),
        (GOOD + "    air: 127.0.0.1:7001\n", 4, "air", "only for client: air"),
        (GOOD + "    count: 0\n", 4, "count", "0 is not in 1 to 1000000"),
        (GOOD + "    count: 5\n", 3, "external_id", "%d"),
        (GOOD.replace("a@x", "a%d@x") + "    endpoint: b\n    count: 5\n", 4, "endpoint", "%d"),
        (
            GOOD.replace("a@x", "a%d@x") + "    count: 5\n    client: air\n    air: 127.0.0.1:65534\n",
            6, "air", "no 5 ports",
        ),
        (GOOD + "    lifetime_s: 0\n", 4, "lifetime_s", "0 is not in 1 to 4294967295"),
        (GOOD + "    home_plmn: '26201'\n", 4, "home_plmn", "'26201' is not MCC-MNC"),
        (GOOD + "    groups: [meters]\n", 4, "groups", "'meters' is not local@domain"),
        (GOOD + "    rds_ports_used: [3, 16]\n", 4, "rds_ports_used", "16 is not in 0 to 15"),
        (GOOD + "    formats: [YAML]\n", 4, "formats", "YAML"),
        (GOOD + "    quota_window_s: 0\n", 4, "quota_window_s", "0 is not in 1 to 4294967295"),
        (GOOD + "dialect: vulcan\n", 4, "dialect", "there is no 'vulcan'"),
        (GOOD + "prefix: gw\n", 4, "prefix", "must begin with '/'"),
        (GOOD + "prefix: /gw/\n", 4, "prefix", "not end with it"),
        (GOOD + "pdn_option: SOMETIMES\n", 4, "pdn_option", "SOMETIMES"),
        (GOOD + "features:\n  nidd: FF\n  monitoring: all\n", 6, "monitoring", "'all' is not hexadecimal"),
        (GOOD + "scs_as:\n  - configuration_trigger_url: http://x/\n", 5, "id", "missing"),
        (GOOD + "triggering:\n  failure: 2\n", 5, "failure", "2 is not in 0 to 1"),
        (GOOD + "triggering:\n  rate: -1\n", 5, "rate", "-1 is not in 0 to"),
        (GOOD + "monitoring:\n  reports: [5, 2]\n", 5, "reports", "[5, 2] is not [least, most]"),
        (GOOD + "monitoring:\n  types: [LOCATION_REPORTING]\n", 5, "types", "LOCATION_REPORTING"),
        ("ues:\n  - psm: true\n", 2, "external_id", "missing"),
        ("ues:\n  - external_id: nodomain\n", 2, "external_id", "'nodomain' is not local@domain"),
        ("ues:\n  - external_id: a@b@c\n", 2, "external_id", "local@domain"),
        ("ues:\n  - external_id: 'a b@c'\n", 2, "external_id", "local@domain"),
        ("ues:\n  - msisdn: '+4917'\n", 2, "msisdn", "digits"),
        ("ues:\n  - msisdn: 1234567890123456\n", 2, "msisdn", "digits"),
        ("listen: 127.0.0.1:0\nues:\n  - external_id: a@x\n  - external_id: a@x\n", 4, "external_id", "'a@x'"),
    ],
)  # fmt: skip
def test_config_errors(tmp_path, text, line, key, what):
    config = tmp_path / "bad.yaml"
    config.write_text(text)
    result = run("--config", config)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1, result.stderr
    found = re.fullmatch(r"(.*):(\d+): (\S+): (.*)\n", result.stderr)
    assert found, result.stderr
    assert (found[1], int(found[2]), found[3]) == (str(config), line, key), result.stderr
    assert what in found[4], result.stderr


def test_config_tells_every_value(tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text("seed: -1\nues:\n  - external_id: a\n    loss: 2\n  - external_id: b@x\n    count: 0\n")
    errors = run("--config", config).stderr.splitlines()
    assert [re.search(r":(\d+): (\w+):", e).groups() for e in errors] == (
        [("1", "seed"), ("4", "loss"), ("3", "external_id"), ("6", "count")]
    )
    assert run("--config", tmp_path / "none.yaml").returncode == 2
    assert "No such file" in run("--config", tmp_path / "none.yaml").stderr


def test_cannot_start(tmp_path):
    config = tmp_path / "sim.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as air:
        config.write_text(f"listen: 127.0.0.1:{taken.getsockname()[1]}\nues: []\n")
        result = run("--config", config)
        assert result.returncode == 1 and "listen" in result.stderr
        air.bind(("127.0.0.1", 0))
        config.write_text(f"{GOOD}    client: air\n    air: 127.0.0.1:{air.getsockname()[1]}\n")
        result = run("--config", config)
        assert result.returncode == 1 and re.search(r":3: air: .*in use", result.stderr)
    config.write_text(GOOD)
    result = run("--config", config, "--trace", tmp_path / "no" / "where")
    assert result.returncode == 1 and "No such file" in result.stderr
