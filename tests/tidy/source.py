"""A C file as the rules see it: raw lines, code without comments and strings, functions."""
import re
from dataclasses import dataclass


@dataclass
class Comment:
    line: int  # of its first character
    text: str  # with its markers


@dataclass
class Function:
    name: str
    line: int  # of the first line of its signature
    body_line: int  # of the opening brace
    end_line: int
    static: bool


class Source:
    """@path is relative to the project's root, with forward slashes."""

    def __init__(self, path, text):
        self.path = path
        self.lines = text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.code, self.comments = strip(text)
        self.code_lines = self.code.split("\n")
        self._functions = None

    @property
    def directory(self):
        return self.path.rsplit("/", 1)[0] if "/" in self.path else ""

    @property
    def stem(self):
        return self.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]

    @property
    def functions(self):
        if self._functions is None:
            self._functions = find_functions(self.code)
        return self._functions

    def includes(self):
        """Yields (line, quoted, path)."""
        for number, line in enumerate(self.lines, 1):
            m = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
            if m:
                yield number, m.group(1) is not None, m.group(1) or m.group(2)


TOKEN = re.compile(
    r"(?P<block>/\*.*?(?:\*/|\Z))"
    r"|(?P<line>//(?:\\\n|[^\n])*)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>'(?:\\.|[^'\\\n])*')",
    re.S,
)


def strip(text):
    """Blanks comments and the insides of strings, keeping every line where it is."""
    comments = []
    out = []
    at = 0
    line = 1
    for m in TOKEN.finditer(text):
        before = text[at : m.start()]
        out.append(before)
        line += before.count("\n")
        token = m.group(0)
        if m.lastgroup in ("block", "line"):
            comments.append(Comment(line, token))
            out.append(re.sub(r"[^\n]", " ", token))
        else:
            out.append(token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1])
        line += token.count("\n")
        at = m.end()
    out.append(text[at:])
    return "".join(out), comments


def blank_preprocessor(code):
    out = []
    continued = False
    for line in code.split("\n"):
        inside = continued or line.lstrip().startswith("#")
        continued = inside and line.rstrip().endswith("\\")
        out.append(" " * len(line) if inside else line)
    return "\n".join(out)


def signature(header):
    """The function's name and its offset, or None when @header opens something else."""
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda m: " " * len(m.group(0)), header, flags=re.S)
    text = text.rstrip()
    if not text.endswith(")") or re.search(r"\btypedef\b", text):
        return None
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[i], 0)
        if depth == 0:
            m = re.search(r"([A-Za-z_]\w*)\s*$", text[:i])
            return (m.group(1), m.start(1)) if m else None
    return None


def find_functions(code):
    code = blank_preprocessor(code)
    functions = []
    depth = 0
    start = 0  # of what may become a signature
    current = None
    for m in re.finditer(r"[{};]", code):
        c, at = m.group(0), m.start()
        if c == "{":
            if depth == 0:
                header = code[start:at]
                found = None if "=" in header else signature(header)
                current = (found, header, start, at) if found else None
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if current:
                    functions.append(make_function(code, current, at))
                current = None
                start = at + 1
        elif depth == 0:
            start = at + 1
    return functions


def make_function(code, current, end):
    (name, offset), header, start, brace = current
    # The signature begins on the first line of the paragraph that ends with the name.
    before = header[:offset]
    own = before.rstrip("\n").rsplit("\n\n", 1)[-1]
    line_of = lambda at: code.count("\n", 0, at) + 1
    first = start + offset - len(own) + (len(own) - len(own.lstrip()))
    return Function(
        name=name,
        line=line_of(first),
        body_line=line_of(brace),
        end_line=line_of(end),
        static=re.search(r"\bstatic\b", own) is not None,
    )
