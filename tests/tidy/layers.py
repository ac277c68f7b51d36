"""Includes point down (layers.txt), and the headers of others have one home each (homes.txt)."""
from fnmatch import fnmatch

from problem import Problem


def rows(text):
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.split()


class Layers:
    def __init__(self, text, name="tests/tidy/layers.txt"):
        self.numbers = {}
        self.allowed = {}
        self.broken = []
        table = list(rows(text))
        for _, row in table:
            self.numbers[row[0]] = int(row[1])
        for line, (directory, number, *names) in table:
            allowed = {directory}
            for name_ in names:
                allowed |= self.expand(directory, name_)
            self.allowed[directory] = allowed
            for other in sorted(allowed - {directory}):
                if self.numbers.get(other, 99) >= int(number):
                    advice = f"{directory} may not name {other}: its number is not smaller"
                    self.broken.append(Problem(name, line, "layer-table", advice))

    def expand(self, directory, pattern):
        if "*" not in pattern:
            return {pattern}
        below = self.numbers[directory]
        return {d for d, n in self.numbers.items() if fnmatch(d, pattern) and n < below}

    def owns(self, path):
        """Whether @path is product code: in a top folder that the table names."""
        return path.split("/", 1)[0] in {d.split("/", 1)[0] for d in self.numbers}


class Homes:
    def __init__(self, text):
        self.rows = [(row[0], row[1:]) for _, row in rows(text)]

    def of(self, header):
        for name, homes in self.rows:
            if header == name or (name.endswith("/") and header.startswith(name)):
                return homes
        return None


def check(source, layers, homes):
    if not layers.owns(source.path):
        return
    if source.directory not in layers.numbers:
        advice = f"add {source.directory} to tests/tidy/layers.txt (and DESIGN.md), or move the file"
        yield Problem(source.path, 1, "layer", advice)
        return
    for line, quoted, path in source.includes():
        if quoted:
            yield from check_own(source, layers, line, path)
        else:
            yield from check_foreign(source, homes, line, path)


def check_own(source, layers, line, path):
    target = path.rsplit("/", 1)[0] if "/" in path else ""
    if target not in layers.numbers:
        advice = f'write the path from the project\'s root, as in "base/check.h", not "{path}"'
        yield Problem(source.path, line, "include", advice)
    elif target not in layers.allowed[source.directory]:
        allowed = " ".join(sorted(layers.allowed[source.directory]))
        advice = f"{source.directory} may not know {target}, only: {allowed}"
        yield Problem(source.path, line, "layer", advice)
    elif path.endswith("_i.h") and target != source.directory:
        advice = f"{path} is internal to {target}: use its public header"
        yield Problem(source.path, line, "layer", advice)


def check_foreign(source, homes, line, path):
    allowed = homes.of(path)
    if allowed is None or source.directory in allowed or source.path in allowed:
        return
    advice = f"<{path}> lives in {' '.join(allowed)} only: go through that module"
    yield Problem(source.path, line, "third-party", advice)
