"""Comments say why; code that does not run is deleted; a TODO names its issue."""
import re

from problem import Problem

STATEMENT = re.compile(
    r"^(?:\}?\s*(?:else\s+)?(?:if|for|while|switch)\s*\(.*\)\s*\{"
    r"|return\b[^.,]*;|break;|continue;|goto\s+\w+;"
    r"|(?:(?:const|struct|enum|static|unsigned)\s+)*[\w>.\[\]*-]+(?:\s+\*?\w+)?\s*[-+|&]?=[^=].*;"
    r"|[\w>.-]+\([^)]*.*\);"
    r"|#\s*(?:include\s*[<\"]|define\s+\w|if\s|ifdef\s|endif).*"
    r"|\}|\{)$"
)
TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def contents(text):
    """The comment's lines without its markers."""
    if text.startswith("//"):
        return [text[2:].strip()]
    lines = text[2:-2].split("\n")
    return [re.sub(r"^\s*\*+", "", line).strip() for line in lines]


def check(source):
    for comment in source.comments:
        lines = [line for line in contents(comment.text) if line]
        if lines and all(STATEMENT.match(line) for line in lines):
            advice = "commented-out code: delete it, git remembers"
            yield Problem(source.path, comment.line, "dead-code", advice)
        for offset, line in enumerate(comment.text.split("\n")):
            m = TODO.search(line)
            if m and not re.search(r"#\d+", line):
                advice = f"{m.group(1)} without an issue: do it, or write its number (#12)"
                yield Problem(source.path, comment.line + offset, "todo", advice)
    for number, line in enumerate(source.code_lines, 1):
        if re.match(r"\s*#\s*if\s+0\b", line):
            advice = "#if 0 is commented-out code: delete it, git remembers"
            yield Problem(source.path, number, "dead-code", advice)
