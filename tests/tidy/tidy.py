#!/usr/bin/env python3
"""Checks the rules of the house that a program can check.

    tests/tidy/tidy.py [--no-headers] [--root DIR] [PATH]...

Prints `file:line: rule: what to do instead` for each problem, then the exceptions that tidy.allow
grants, then `N passed, N failed`: a rule that nobody breaks has passed. With PATHs, only problems
in files below them are printed (everything is read all the same: some rules look at the whole).
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import calls
import comments
import flow
import headers
import layers
import names
import parsers
import sizes
from problem import Allow
from source import Source

TOPS = ["base", "storage", "raft", "node", "client", "tests"]
SKIPPED = {"build", "node_modules", "corpus", "__pycache__"}
RULES = [
    "layer-table", "layer", "include", "third-party", "self-contained", "file-size", "line-length",
    "function-size", "banned-call", "world", "goto", "state", "float", "prefix", "dead-code", "todo",
    "parser", "allow",
]


def find_files(root):
    for top in TOPS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def read(root, path, default=None):
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        if default is None:
            raise
        return default


def check_all(root, with_headers=True):
    """Returns (problems, granted exceptions, number of files)."""
    sources = [Source(path, read(root, path)) for path in find_files(root)]
    by_path = {s.path: s for s in sources}
    table = layers.Layers(read(root, "tests/tidy/layers.txt", ""))
    homes = layers.Homes(read(root, "tests/tidy/homes.txt", ""))
    allow = Allow(read(root, "tests/tidy/tidy.allow", ""))

    problems = list(table.broken)
    for source in sources:
        product = table.owns(source.path)
        header = by_path.get(source.path[:-2] + ".h")
        problems += layers.check(source, table, homes)
        problems += sizes.check(source)
        problems += calls.check(source, product)
        problems += flow.check(source, product)
        problems += comments.check(source)
        if product:
            nouns = {s.stem for s in sources if s.path.endswith(".h") and s.directory == source.directory}
            problems += names.check(source, header.code if header else None, nouns)
    problems += parsers.check(sources, read(root, "tests/tidy/parsers.txt", ""))
    if with_headers:
        cache = os.path.join(root, "build", "tidy", "headers.json")
        problems += headers.check(root, [p for p in by_path if p.endswith(".h")], cache)

    granted = [p for p in problems if allow.covers(p)]
    problems = [p for p in problems if p not in set(granted)]
    if with_headers:
        problems += allow.problems(list(by_path))
    return sorted(set(problems)), sorted(set(granted)), len(sources)


def main():
    parser = argparse.ArgumentParser(description="checks the rules of the house")
    default_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--root", default=default_root)
    parser.add_argument("--no-headers", action="store_true", help="do not compile the headers")
    parser.add_argument("paths", nargs="*", metavar="PATH")
    args = parser.parse_args()

    problems, granted, n_files = check_all(args.root, not args.no_headers)
    if args.paths:
        below = tuple(p.rstrip("/") for p in args.paths)
        problems = [p for p in problems if any(p.path == b or p.path.startswith(b + "/") for b in below)]
    for problem in problems:
        print(problem)
    print(f"tidy: {n_files} files, {len(problems)} problems, {len(granted)} allowed by tidy.allow")
    broken = {p.rule for p in problems}
    print(f"{len(RULES) - len(broken)} passed, {len(broken)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
