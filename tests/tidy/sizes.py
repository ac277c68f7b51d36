"""A function fits a screen, a file a sitting, a line a window."""
from problem import Problem

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100


def check(source):
    n = len(source.lines)
    if n > FILE_LINES_MAX:
        advice = f"{n} lines, at most {FILE_LINES_MAX}: split where the noun changes"
        yield Problem(source.path, n, "file-size", advice)
    for number, line in enumerate(source.lines, 1):
        columns = len(line.expandtabs(4))
        if columns > LINE_COLUMNS_MAX:
            advice = f"{columns} columns, at most {LINE_COLUMNS_MAX}: run script/format, or wrap it"
            yield Problem(source.path, number, "line-length", advice)
    for f in source.functions:
        n = f.end_line - f.line + 1
        if n > FUNCTION_LINES_MAX:
            advice = f"{f.name}() has {n} lines, at most {FUNCTION_LINES_MAX}: push ifs up, fors down"
            yield Problem(source.path, f.line, "function-size", advice)
