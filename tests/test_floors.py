"""floors.py finds what it must, says where, and lets the rest pass."""

import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = Path(__file__).with_name("floors.py")


def floors(root, *options):
    return subprocess.run(
        [sys.executable, FLOORS, "--root", root, *options], capture_output=True, text=True, timeout=30, check=False
    )


def write(root, name, *lines):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "file, include",
    [
        ("base/bytes.c", '"t8/link.h"'),  # up
        ("t8/link.c", '"buffering/queue.h"'),  # beside
        ("nidd/engine.c", '"oscore/guard.h"'),  # beside
        ("nidd/engine.h", '"sim/radio.h"'),  # up, from a header
        ("scef-adapter/main.c", '"sim/radio.h"'),  # beside
        ("sim/main.c", '"nidd/engine.h"'),  # lower, but the simulator is a judge
        ("sim/main.c", '"buffering/queue.h"'),
        ("sim/main.c", '"scef-adapter/config.h"'),
        ("sim/deep/er/file.c", '"nidd/engine.h"'),
        ("t8/link.c", "<nidd/engine.h>"),  # the other brackets change nothing
        ("nidd/engine.c", '"engine.h"'),  # no folder: the check could be walked around
        ("nidd/engine.c", '"../sim/radio.h"'),
        ("nidd/engine.c", "<uv.h>"),
        ("nidd/engine.c", "<curl/curl.h>"),
        ("nidd/engine.c", "<microhttpd.h>"),
        ("nidd/engine.c", "<lmdb.h>"),
        ("nidd/engine.h", "<time.h>"),
        ("nidd/engine.c", "<sys/socket.h>"),
        ("nidd/engine.c", "<unistd.h>"),
        ("nidd/engine.c", "<stdio.h>"),
        ("buffering/queue_rules.c", "<stdio.h>"),
        ("buffering/record.h", "<sys/types.h>"),
        ("sim/scef_model.c", "<time.h>"),
        ("sim/ue_model_psm.c", "<time.h>"),
        ("sim/radio.c", "<unistd.h>"),
        ("sim/lwm2m_device.h", "<uv.h>"),
    ],
)
def test_violation_is_named_with_file_and_line(tmp_path, file, include):
    write(tmp_path, file, "/* first line */", f"#  include {include}")
    result = floors(tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith(f"{file}:2: ")
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "file, include",
    [
        ("t8/link.c", '"base/bytes.h"'),
        ("t8/link.c", '"t8/link.h"'),
        ("nidd/engine.c", '"buffering/queue.h"'),
        ("nidd/engine.c", "<stdint.h>"),
        ("nidd/engine.c", "<string.h>"),
        ("scef-adapter/main.c", '"nidd/engine.h"'),
        ("scef-adapter/main.c", "<uv.h>"),
        ("sim/main.c", '"t8/link.h"'),
        ("sim/main.c", "<time.h>"),
        ("buffering/store_lmdb.c", "<lmdb.h>"),
        ("base/log.c", "<time.h>"),
        ("tests/unit/test_x.c", '"sim/radio.h"'),  # tests stand beside the house
    ],
)
def test_allowed_include_passes(tmp_path, file, include):
    write(tmp_path, file, f"#include {include}")
    result = floors(tmp_path)
    assert (result.returncode, result.stdout) == (0, "")


def test_every_violation_is_told(tmp_path):
    write(tmp_path, "base/a.c", '#include "t8/x.h"', "int a;", '#include "nidd/y.h"')
    write(tmp_path, "nidd/b.c", "#include <stdio.h>")
    lines = floors(tmp_path).stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["base/a.c:1", "base/a.c:3", "nidd/b.c:1"]


def test_stamp_only_when_clean_and_depfile_names_what_was_read(tmp_path):
    stamp, depfile = tmp_path / "stamp", tmp_path / "floors.d"
    write(tmp_path, "base/a.c", '#include "t8/x.h"')
    assert floors(tmp_path, "--stamp", stamp, "--depfile", depfile).returncode == 1
    assert not stamp.exists()
    write(tmp_path, "base/a.c", "int a;")
    assert floors(tmp_path, "--stamp", stamp, "--depfile", depfile).returncode == 0
    assert stamp.exists()
    named = depfile.read_text().replace("\\\n", " ").split()
    assert named[0] == f"{stamp}:"
    assert str(tmp_path / "base/a.c") in named and str(tmp_path / "base") in named


def test_this_checkout_is_clean():
    result = floors(FLOORS.parent.parent)
    assert (result.returncode, result.stdout) == (0, "")
