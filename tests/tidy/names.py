"""A name in a backtrace says which file: exported functions carry their module's name."""
import re

from problem import Problem

FREE = {"main", "LLVMFuzzerTestOneInput", "LLVMFuzzerInitialize"}


def prefixes(source, own_header, nouns):
    """The file's name and its leading words, its folder, the headers beside it (a noun may be
    implemented in several files), and the types the module defines."""
    words = source.stem.split("_")
    found = {"_".join(words[:n]) for n in range(1, len(words) + 1)}
    found.add(source.directory.rsplit("/", 1)[-1])
    found |= nouns
    for code in (source.code, own_header or ""):
        found.update(re.findall(r"^(?:struct|enum|union)\s+(\w+)\s*\{", code, re.M))
    return found


def check(source, own_header, nouns):
    """@own_header is the code of the .h of the same name, or None; @nouns are the names of the
    headers in the same folder."""
    if not source.path.endswith(".c"):
        return
    allowed = prefixes(source, own_header, nouns)
    for f in source.functions:
        if f.static or f.name in FREE:
            continue
        if not any(f.name == p or f.name.startswith(p + "_") for p in allowed):
            advice = f"{f.name}() is exported: begin its name with '{source.stem}_', or make it static"
            yield Problem(source.path, f.line, "prefix", advice)
