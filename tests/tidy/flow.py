"""goto goes forward; states move through sm_move; no floating point near money."""
import re

from problem import Problem

LABEL = re.compile(r"^\s*([A-Za-z_]\w*)\s*:(?!:)")
GOTO = re.compile(r"\bgoto\s+([A-Za-z_]\w*)\s*;")
STATE = re.compile(r"->\s*state\s*=(?!=)")
FLOAT = re.compile(r"\b(float|double)\b|(?<![\w.])\d+\.\d*(?:[eE][-+]?\d+)?[fFlL]?(?![\w.])")
FLOAT_FREE = {"raft", "node/gov"}


def check(source, is_product):
    yield from check_goto(source)
    if not is_product:
        return
    for number, line in enumerate(source.code_lines, 1):
        if source.path != "base/sm.c" and STATE.search(line):
            advice = "states change through sm_move(), by a table; else name the field for what it is"
            yield Problem(source.path, number, "state", advice)
        if source.directory in FLOAT_FREE and FLOAT.search(line):
            advice = "no floating point here: integers, with the unit in the name"
            yield Problem(source.path, number, "float", advice)


def check_goto(source):
    for f in source.functions:
        labels = {}
        body = list(enumerate(source.code_lines[f.body_line - 1 : f.end_line], f.body_line))
        for number, line in body:
            m = LABEL.match(line)
            if m and m.group(1) != "default":
                labels[m.group(1)] = number
        for number, line in body:
            for m in GOTO.finditer(line):
                if labels.get(m.group(1), number + 1) <= number:
                    advice = f"goto {m.group(1)} goes back: write a loop; goto is for undoing"
                    yield Problem(source.path, number, "goto", advice)
