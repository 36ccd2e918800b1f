#!/usr/bin/env python3
"""Checks the order of the house: an #include may only point to the same folder or to a lower floor.

    floor 3   scef-adapter/  sim/
    floor 2   nidd/          oscore/
    floor 1   t8/            buffering/
    floor 0   base/

and that what must do no I/O and read no clock (the engine, the queue's rules, the simulator's models) includes nothing
that could. Prints one line per violation, file:line: message, and exits with 1 when there is one.

With --stamp FILE it writes FILE when all is well, with --depfile FILE the files and folders that it read (Makefile
syntax): the build uses both to run the check only when something changed.
"""

import argparse
import fnmatch
import re
import sys
from pathlib import Path

FLOOR = {"base": 0, "t8": 1, "buffering": 1, "nidd": 2, "oscore": 2, "scef-adapter": 3, "sim": 3}

# One mistake must not hide itself on both sides: the simulator shares no code with what it tests.
FORBIDDEN_FOLDERS = {"sim": {"nidd", "buffering", "scef-adapter"}}

PURE_FILES = (
    "nidd/*",
    "buffering/queue*",
    "buffering/record*",
    "sim/scef_model*",
    "sim/ue_model*",
    "sim/radio*",
    "sim/lwm2m_device*",
)
IMPURE_HEADERS = (
    "uv.h",
    "uv/*",
    "curl/*",
    "microhttpd.h",
    "lmdb.h",
    "time.h",
    "sys/*",
    "unistd.h",
    "stdio.h",
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def include_fault(file, kind, header):
    """Why `file` (relative to the top) must not include `header`, or None."""
    if matches(file, PURE_FILES) and matches(header, IMPURE_HEADERS):
        return f"{header} does I/O or reads a clock: call out through the ports instead"
    folder = file.split("/")[0]
    target = header.split("/")[0]
    if kind == '"' and ("/" not in header or target not in FLOOR):
        return f'"{header}" does not start with one of our folders: write "{folder}/..." or <...>'
    if "/" not in header or target not in FLOOR or target == folder:
        return None
    if target in FORBIDDEN_FOLDERS.get(folder, ()):
        return f"{folder}/ must not include {target}/ ({header})"
    if FLOOR[target] >= FLOOR[folder]:
        return f"{folder}/ (floor {FLOOR[folder]}) must not include {target}/ (floor {FLOOR[target]}): {header}"
    return None


def file_faults(root, path):
    file = path.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            fault = include_fault(file, include[1], include[2])
            if fault:
                yield f"{file}:{number}: {fault}"


def source_files(root):
    """All C files of the house, and the folders they lie in."""
    files, folders = [], []
    for name in FLOOR:
        if (root / name).is_dir():
            folders += [root / name] + sorted(p for p in (root / name).rglob("*") if p.is_dir())
    for folder in folders:
        files += sorted(p for p in folder.iterdir() if p.suffix in (".c", ".h") and p.is_file())
    return files, folders


def depfile_write(depfile, stamp, paths):
    names = " \\\n  ".join(str(path).replace(" ", "\\ ") for path in paths)
    Path(depfile).write_text(f"{stamp}: {names}\n")


def main():
    parser = argparse.ArgumentParser(description="check that includes only point to lower floors")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--stamp", type=Path, help="write this file when no violation was found")
    parser.add_argument("--depfile", type=Path, help="write what the stamp depends on")
    options = parser.parse_args()

    files, folders = source_files(options.root)
    faults = [fault for path in files for fault in file_faults(options.root, path)]
    print(*faults, sep="\n", end="\n" if faults else "")
    if faults:
        return 1
    if options.depfile:
        depfile_write(options.depfile, options.stamp, files + folders)
    if options.stamp:
        options.stamp.write_text("")
    return 0


if __name__ == "__main__":
    sys.exit(main())
