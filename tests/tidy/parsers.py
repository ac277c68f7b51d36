"""Every public function that reads bytes from outside has a fuzzer (parsers.txt)."""
import re

from layers import rows
from problem import Problem

LIST = "tests/tidy/parsers.txt"
# Headers whose ..._parse, _decode and _feed must be listed: the edges where bytes become types.
EDGES = re.compile(r"^(?:base/http|node/dialect)/[^/]+\.h$|^raft/(?:wire|cmd|spec)\w*\.h$"
                   r"|^base/(?:json|yaml)\w*\.h$")
PARSER = re.compile(r"\b(\w+_(?:parse|decode|feed)(?:_\w+)?)\s*\([^;{]*\)\s*;")


def check(sources, text):
    listed = {row[0]: (number, row[1]) for number, row in rows(text)}
    defined = {}
    fuzzers = {}
    for source in sources:
        if source.path.startswith("tests/fuzz/") and source.stem.startswith("fuzz_"):
            fuzzers.setdefault(source.stem[len("fuzz_") :], []).append(source)
        elif source.path.endswith(".c"):
            for f in source.functions:
                if not f.static:
                    defined[f.name] = source.path
    yield from check_listed(listed, defined, fuzzers)
    for source in sources:
        if EDGES.match(source.path):
            yield from check_header(source, listed)


def check_listed(listed, defined, fuzzers):
    for name, (number, fuzzer) in listed.items():
        if name not in defined:
            continue
        if fuzzer not in fuzzers:
            advice = f"{name}() ({defined[name]}) needs tests/fuzz/fuzz_{fuzzer}.c and its q_fuzz()"
            yield Problem(LIST, number, "parser", advice)
        elif not any(re.search(rf"\b{name}\b", "\n".join(s.lines)) for s in fuzzers[fuzzer]):
            advice = f"fuzz_{fuzzer}.c must feed {name}(), or say in a comment what feeds it"
            yield Problem(LIST, number, "parser", advice)


def check_header(source, listed):
    for m in PARSER.finditer(source.code):
        if m.group(1) not in listed:
            line = source.code.count("\n", 0, m.start()) + 1
            advice = f"{m.group(1)}() reads bytes from outside: list it in {LIST}, with its fuzzer"
            yield Problem(source.path, line, "parser", advice)
