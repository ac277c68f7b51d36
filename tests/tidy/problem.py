"""What a rule reports, and the exceptions in tidy.allow."""
from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, order=True)
class Problem:
    path: str
    line: int
    rule: str
    advice: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


class Allow:
    """Lines of `path rule reason`; @path may hold * and ?."""

    def __init__(self, text, name="tests/tidy/tidy.allow"):
        self.name = name
        self.entries = []
        self.broken = []
        self.used = set()
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split(None, 2)
            if len(parts) < 3:
                advice = "write `path rule reason`; an exception without a reason is none"
                self.broken.append(Problem(name, number, "allow", advice))
            else:
                self.entries.append((number, parts[0], parts[1]))

    def covers(self, problem):
        for number, path, rule in self.entries:
            if rule == problem.rule and fnmatch(problem.path, path):
                self.used.add(number)
                return True
        return False

    def problems(self, paths):
        """Broken entries, and those whose file is there but no longer needs them."""
        found = list(self.broken)
        for number, path, rule in self.entries:
            if number not in self.used and any(fnmatch(p, path) for p in paths):
                advice = f"{path} no longer breaks the rule '{rule}': delete this line"
                found.append(Problem(self.name, number, "allow", advice))
        return found
