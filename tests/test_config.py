"""scef-adapter's configuration, as the operator meets it: the real binary, its lines and its exit status."""

import os
import pathlib
import re
import subprocess

import pytest

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")

SCEF = """scef:
  api_root: http://127.0.0.1:8080
  scs_as_id: as1
"""
SERVERS = """servers:
  - name: main
    uri: coap://127.0.0.1:5683
"""
BASE = SCEF + SERVERS  # 6 lines


def adapter(*arguments, cwd=None):
    return subprocess.run(
        [BIN / "scef-adapter", *arguments], cwd=cwd, capture_output=True, text=True, timeout=20, errors="replace"
    )


def check(tmp_path, text, name="c.yaml"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return adapter("--config", name, "--check", cwd=tmp_path)


# What is added to BASE begins on line 7.
MISTAKES = {
    "unknown key": (
        BASE + "admin:\n  lisen: 127.0.0.1:8090\n",
        "c.yaml:8: admin.lisen: is no key that is known; expected one of: listen",
    ),
    "unknown section": (
        BASE + "logs: {}\n",
        "c.yaml:7: logs: is no key that is known; expected one of: scef, callback, admin, store, server_leg, servers,"
        " routes, downlinks, devices, groups, slices, relay, log, devices_file",
    ),
    "wrong type": (
        BASE + "relay:\n  nstart: one\n",
        "c.yaml:8: relay.nstart: 'one' is no whole number; expected a whole number from 1 to 64",
    ),
    "list for a number": (
        BASE + "relay:\n  nstart: [1, 2]\n",
        "c.yaml:8: relay.nstart: is a list; expected a whole number from 1 to 64",
    ),
    "number too large": (
        BASE + "store:\n  max_size_mib: 99999999999\n",
        "c.yaml:8: store.max_size_mib: 99999999999 is too large; expected a whole number from 1 to 16777216",
    ),
    "number too small": (
        BASE + "relay: {retry_min_s: 0}\n",
        "c.yaml:7: relay.retry_min_s: 0 is too small; expected a whole number from 1 to 604800",
    ),
    "bad address": (
        BASE + "callback:\n  listen: nowhere:80\n",
        "c.yaml:8: callback.listen: 'nowhere:80' is no numeric address with a port; expected ADDRESS:PORT like"
        " 127.0.0.1:8081",
    ),
    "bad server": (
        SCEF + "servers:\n  - name: main\n    uri: http://127.0.0.1\n",
        "c.yaml:6: servers[0].uri: 'http://127.0.0.1' does not begin with coap://, coaps://, coap+tcp:// or"
        " coaps+tcp://; expected coap://HOST or coap://HOST:PORT, or with coaps, coap+tcp or coaps+tcp",
    ),
    "mandatory key missing": (
        "scef:\n  api_root: http://127.0.0.1:8080\n" + SERVERS,
        "c.yaml:2: scef.scs_as_id: is missing; expected the scsAsId that the SCEF's operator gave",
    ),
    "mandatory section missing": (SCEF, "c.yaml:1: servers: is missing; expected a list"),
    "duplicate device": (
        BASE + "devices:\n  - external_id: a@b\n  - external_id: c@d\n  - external_id: a@b\n",
        "c.yaml:10: devices[2].external_id: 'a@b' is there already (devices, line 8); expected each device once",
    ),
    "duplicate key": (
        BASE + "log:\n  level: info\n  level: warn\n",
        "c.yaml:9: log.level: is there twice; expected each key once",
    ),
    "unknown word": (
        BASE + "server_leg:\n  mode: tunnel\n",
        "c.yaml:8: server_leg.mode: 'tunnel' is not known; expected one of: prefix, ports",
    ),
    "unknown server": (
        BASE + "devices:\n  - external_id: a@b\n    server: second\n",
        "c.yaml:9: devices[0].server: 'second' is no server's name; expected the name of a server in servers",
    ),
    "route to an unknown server": (
        BASE + "routes:\n  - server: second\n    bootstrap: true\n",
        "c.yaml:8: routes[0].server: 'second' is no server's name; expected the name of a server in servers",
    ),
    "route that is never reached": (
        BASE + "routes:\n  - server: main\n    domain: example.org\n  - server: main\n    domain: EXAMPLE.org\n",
        "c.yaml:10: routes[1]: is never reached: all that it matches goes by routes[0] (c.yaml:8); expected another"
        " match, or no such route",
    ),
    "routes in each other's way": (
        BASE
        + "  - {name: two, uri: 'coap://127.0.0.2'}\nroutes:\n"
        + "  - {server: main, uri_port: 7}\n  - {server: two, uri_host: h}\n",
        "c.yaml:10: routes[1]: matches what routes[0] (c.yaml:9) matches too, and neither is narrower; expected one of"
        " the two to be narrower, or the same server",
    ),
    "endpoint check": (
        BASE + "relay: {endpoint_check: always}\n",
        "c.yaml:7: relay.endpoint_check: 'always' is not known; expected one of: enforce, warn, off",
    ),
    "devices_file not found": (
        BASE + "devices_file: nowhere.jsonl\n",
        "c.yaml:7: devices_file: nowhere.jsonl: No such file or directory; expected a readable file of JSON lines,"
        " relative to this file",
    ),
    "tab": (
        BASE + "relay:\n\tnstart: 3\n",
        "c.yaml:8: relay: not YAML: found character that cannot start any token; expected YAML, indented by blanks,"
        " never by tabs",
    ),
    "syntax": (
        BASE + 'log: {level: "info\n',
        "c.yaml:8: log.level: not YAML: found unexpected end of stream; expected YAML, indented by blanks, never by tabs",
    ),
    "not UTF-8": (
        BASE.encode() + b"log: {level: \xff}\n",
        "c.yaml:7: yaml: not YAML: invalid leading UTF-8 octet; expected YAML, indented by blanks, never by tabs",
    ),
    "empty file": (
        "",
        "c.yaml:1: scef: the file is empty; expected a mapping with the sections scef and servers",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line(tmp_path, name):
    text, line = MISTAKES[name]
    result = check(tmp_path, text)
    assert result.stderr == line + "\n"
    assert result.returncode == 2
    assert result.stdout == ""


def test_file_not_found(tmp_path):
    result = adapter("--config", "nowhere.yaml", "--check", cwd=tmp_path)
    assert result.stderr == (
        "nowhere.yaml:1: --config: No such file or directory; expected a readable YAML file of at most 4 MiB\n"
    )
    assert result.returncode == 2


def test_directory_for_a_file(tmp_path):
    result = adapter("--config", ".", "--check", cwd=tmp_path)
    assert re.fullmatch(r"\.:1: --config: .+; expected .+\n", result.stderr)
    assert result.returncode == 2


def test_file_too_large(tmp_path):
    result = check(tmp_path, BASE + "#" * (4 << 20))
    assert result.stderr == (
        "c.yaml:1: --config: is larger; put the devices into devices_file; expected a readable YAML file of at most"
        " 4 MiB\n"
    )
    assert result.returncode == 2


def test_several_mistakes_are_told_at_once(tmp_path):
    result = check(tmp_path, BASE + "relay: {nstart: 0, nope: 1}\nlog: {level: loud}\nstore: {max_size_mib: x}\n")
    lines = result.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["c.yaml:7", "relay.nstart"],
        ["c.yaml:7", "relay.nope"],
        ["c.yaml:8", "log.level"],
        ["c.yaml:9", "store.max_size_mib"],
    ]
    assert all("; expected " in line for line in lines)


DEVICE_LINES = {
    '{"external_id": "nobody"}': "external_id: 'nobody' is not LOCAL@DOMAIN; expected an External Identifier like"
    " dev1@example.org",
    "{'a': 1}": "external_id: not a JSON object: string or '}' expected near '''; expected a line like"
    ' {"external_id": "dev1@example.org"}',
    "[]": 'external_id: not a JSON object: another type; expected a line like {"external_id": "dev1@example.org"}',
    '{"external_id": "a@b", "colour": "red"}': "colour: is no key that is known; expected external_id, msisdn, scef,"
    " server, group, endpoint, psk_identity or psk_key",
    '{"msisdn": 49170123456}': "msisdn: is no string; expected 5 to 15 digits, in quotes",
    '{"server": "main"}': "external_id: is missing; expected external_id, msisdn, or both",
    '{"external_id": "a@b", "server": "x"}': "server: 'x' is no server's name; expected the name of a server in servers",
    '{"external_id": "a@b", "scef": "x"}': "scef: 'x' is no SCEF's name; expected the name of a SCEF in scef",
    '{"external_id": "a@b", "group": "g@x"}': "group: 'g@x' is no group's; expected the external_group_id of a group in"
    " groups",
    '{"external_id": "first@example.org"}': "external_id: 'first@example.org' is there already (devices_file, line 1);"
    " expected each device once",
    '{"external_id": "first\\u0040example.org"}': "external_id: 'first@example.org' is there already (devices_file, line"
    " 1); expected each device once",
    '\t{ "external_id" : "first@example.org"  } ': "external_id: 'first@example.org' is there already (devices_file, line"
    " 1); expected each device once",
    '{"external_id": "a@b", "external_id": "c@d"}': "external_id: not a JSON object: duplicate object key near"
    ' \'"external_id"\'; expected a line like {"external_id": "dev1@example.org"}',
    '{"external_id": "a@b"} {}': "external_id: not a JSON object: end of file expected near '{'; expected a line like"
    ' {"external_id": "dev1@example.org"}',
    '{"external_id": "listed@example.org"}': "external_id: 'listed@example.org' is there already (devices, line 9);"
    " expected each device once",
    '{"external_id": "a@b", "psk_identity": "me"}': "psk_identity: is there alone; expected psk_identity and psk_key, or"
    " neither",
    '{"external_id": "a@b", "psk_key": "5ec2e7f"}': "psk_key: has an odd number of digits; expected 2 to 128 hexadecimal"
    " digits",
    '{"external_id": "a@b", "psk_key": "5ec2e7"': "external_id: not a JSON object: what is wrong is not shown, since the"
    ' line holds psk_key; expected a line like {"external_id": "dev1@example.org"}',
    '{"external_id": "a@b", "psk_key": "' + "ab" * 65 + '"}': "psk_key: is too long; expected 2 to 128 hexadecimal digits",
    '{"external_id": "a@b", "psk_key": "5ec2e7", "psk_identity": "' + "i" * 129 + '"}': "psk_identity: '"
    + "i" * 60
    + "' is longer than 128 bytes; expected at most 128 bytes of text",
    '{"external_id": "' + "a" * 5000 + '"}': "external_id: the line is too long; expected at most 4096 bytes in a line",
}


@pytest.mark.parametrize("line", DEVICE_LINES, ids=lambda line: line[:40])
def test_devices_file(tmp_path, line):
    (tmp_path / "d.jsonl").write_text(f'{{"external_id": "first@example.org"}}\n\n{line}\n')
    result = check(
        tmp_path, BASE + "devices_file: d.jsonl\ndevices:\n  - external_id: listed@example.org\n", name="c.yaml"
    )
    assert result.stderr == f"d.jsonl:3: {DEVICE_LINES[line]}\n"
    assert result.returncode == 2


def test_keys_of_devices(tmp_path):
    """A server by DTLS without a key of its own needs devices that have some; none is ever shown."""
    text = SCEF + "servers: [{name: main, uri: 'coaps://127.0.0.1'}]\ndevices_file: d.jsonl\n"
    (tmp_path / "d.jsonl").write_text('{"external_id": "a@b"}\n')
    assert check(tmp_path, text).stderr == (
        "c.yaml:4: servers[0].uri: needs something that tells the server from an impostor; expected ca_file, or"
        " psk_identity and psk_file, beside it, or devices with psk_key\n"
    )
    (tmp_path / "d.jsonl").write_text('{"external_id": "a@b", "psk_key": "5ec2e7"}\n{"external_id": "c@d"}\n')
    assert check(tmp_path, text).stderr == ""
    (tmp_path / "d.jsonl").write_text('{"external_id": "a@b", "psk_key": "5ec2e7"}\n{"msisdn": "12345", "server": "main"}\n')
    assert check(tmp_path, text).stderr == (
        "d.jsonl:2: psk_key: is missing: server 'main' has no psk_file for all; expected 2 to 128 hexadecimal digits\n"
    )


def test_devices_file_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/d.jsonl").write_text('{"external_id": "a@b", "msisdn": "491701234567", "server": "main"}\n')
    (tmp_path / "etc/c.yaml").write_text(BASE + "devices_file: d.jsonl\n")
    result = adapter("--config", "etc/c.yaml", "--check", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "etc/c.yaml: ok\n", "")


EAST_AND_WEST = """scef:
  - {name: east, api_root: 'http://127.0.0.1:8080', scs_as_id: as1}
  - {name: west, api_root: 'http://127.0.0.1:8082', scs_as_id: as1, oauth: {token_url: 'http://h/t', client_id: a,
     secret_file: nowhere}}
"""


def test_several_scefs(tmp_path):
    """What is wrong with one of them is told by its place in the list."""
    result = check(tmp_path, EAST_AND_WEST + SERVERS)
    assert result.stderr == (
        "c.yaml:4: scef[1].oauth.secret_file: nowhere: No such file or directory; expected a readable file whose first"
        " line is the secret\n"
    )
    (tmp_path / "nowhere").write_text("secret\n")
    (tmp_path / "d.jsonl").write_text('{"external_id": "a@b", "scef": "west"}\n{"external_id": "c@d", "group": "g@x"}\n')
    good = EAST_AND_WEST + SERVERS + "devices_file: d.jsonl\ngroups: [{external_group_id: g@x, scef: west}]\n"
    result = check(tmp_path, good)
    assert (result.returncode, result.stderr) == (0, "")
    result = check(tmp_path, good.replace("scef: west", "scef: wst"))
    assert result.stderr == "c.yaml:9: groups[0].scef: 'wst' is no SCEF's name; expected the name of a SCEF in scef\n"


def test_many_devices(tmp_path):
    (tmp_path / "d.jsonl").write_text("".join(f'{{"external_id":"dev{i}@example.org"}}\n' for i in range(100_000)))
    result = check(tmp_path, BASE + "devices_file: d.jsonl\n")
    assert (result.returncode, result.stderr) == (0, "")


def test_help_config_is_a_valid_configuration(tmp_path):
    shown = adapter("--help-config")
    assert shown.returncode == 0
    result = check(tmp_path, shown.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    for key in ("downlink_lifetime_s: ", "listen: 127.0.0.1:8081", "prefix: 127.64.0.0/10", "level: info"):
        assert key in shown.stdout


def test_the_container_configuration(tmp_path):
    path = pathlib.Path(__file__).resolve().parent.parent / "docker/scef-adapter.yaml"
    result = adapter("--config", path, "--check")
    assert (result.returncode, result.stderr) == (0, "")


def test_arguments():
    assert adapter("--version").stdout.startswith("scef-adapter 0.")
    assert adapter("--help").returncode == 0
    missing = adapter()
    assert missing.returncode == 2 and missing.stderr == (
        "scef-adapter: --config FILE is missing; --help-config prints one to start from\n"
    )
    assert adapter("--nonsense").returncode == 2
    assert adapter("--config", "x", "stray").returncode == 2
