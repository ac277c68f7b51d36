"""Each header compiles alone, and twice: it brings what it needs and guards itself."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from problem import Problem

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-unused", "-Werror"]
MODULES = ["libuv", "libnghttp2", "yyjson", "openssl", "raft", "rocksdb", "yaml-0.1", "libcurl"]
MESSAGE = re.compile(r"^([^:\n]+):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", re.M)


def library_flags():
    flags = []
    for module in MODULES:
        found = subprocess.run(["pkg-config", "--cflags", module], capture_output=True, text=True)
        if found.returncode == 0:
            flags += found.stdout.split()
    return sorted(set(flags))


def compile_alone(root, path, flags):
    """Returns (what it depends on, the problem's line and text or None)."""
    text = f'#include "{path}"\n#include "{path}"\n'
    command = ["gcc", "-fsyntax-only", "-x", "c", "-I", "."] + FLAGS + flags
    run = subprocess.run(
        command + ["-MMD", "-MF", "/dev/stdout", "-MT", "x", "-"],
        cwd=root, input=text, capture_output=True, text=True,
    )
    depends = [d for d in run.stdout.replace("\\\n", " ").split() if d not in ("x:", "-", "<stdin>")]
    if run.returncode == 0:
        return depends, None
    m = MESSAGE.search(run.stderr)
    if m is None:
        return depends, [1, run.stderr.strip().split("\n")[0] or "gcc failed"]
    where, line, what = m.groups()
    return depends, [int(line), what] if where == path else [1, f"{where}:{line}: {what}"]


def stamp(root, paths):
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(os.path.join(root, path)).st_mtime_ns
        except OSError:
            found[path] = 0
    return found


def read_cache(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def check(root, paths, cache_path):
    flags = library_flags()
    cache = read_cache(cache_path)
    fresh = {}

    def one(path):
        old = cache.get(path)
        if old and old["flags"] == flags and stamp(root, old["stamp"]) == old["stamp"]:
            return path, old
        depends, failure = compile_alone(root, path, flags)
        # A failure may be mended by a file that is not there yet: it is never remembered.
        return path, {"flags": flags, "stamp": stamp(root, depends + [path]), "failure": failure}

    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, result in pool.map(one, paths):
            if result["failure"] is None:
                fresh[path] = result
            else:
                line, what = result["failure"]
                advice = f"does not compile alone ({what}): include or declare what it uses"
                yield Problem(path, line, "self-contained", advice)
    os.makedirs(os.path.dirname(cache_path), exist_ok=True)
    with open(cache_path, "w", encoding="utf-8") as f:
        json.dump(fresh, f)
