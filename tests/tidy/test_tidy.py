#!/usr/bin/env python3
"""Each rule fires on a bad sample, and stays silent on its good neighbour."""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import tidy
from problem import Allow, Problem
from source import Source

GUARDED = "#ifndef X_H_\n#define X_H_\n%s\n#endif\n"


class Tree(unittest.TestCase):
    """A small project in a temporary folder, with the real tables."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.root = self.temporary.name
        for name in ("layers.txt", "homes.txt"):
            with open(os.path.join(HERE, name), encoding="utf-8") as f:
                self.write("tests/tidy/" + name, f.read())

    def tearDown(self):
        self.temporary.cleanup()

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def problems(self, with_headers=False):
        return tidy.check_all(self.root, with_headers)[0]

    def rules(self, path, text, with_headers=False):
        self.write(path, text)
        return [(p.rule, p.line) for p in self.problems(with_headers) if p.path == path]

    def fires(self, rule, path, text, line=1, **kwargs):
        self.assertEqual(self.rules(path, text, **kwargs), [(rule, line)])

    def silent(self, path, text, **kwargs):
        self.assertEqual(self.rules(path, text, **kwargs), [])


class Layers(Tree):
    def test_an_empty_tree_has_no_problems(self):
        problems, granted, n_files = tidy.check_all(self.root, True)
        self.assertEqual((problems, granted, n_files), ([], [], 0))

    def test_includes_point_down(self):
        self.fires("layer", "base/http/h1.c", '#include "base/net/loop.h"\n')
        self.fires("layer", "base/buf.c", '#include "base/http/h1.h"\n')
        self.fires("layer", "client/main.c", '#include "raft/fsm.h"\n')
        self.silent("node/gov/slot.c", '#include "raft/fsm.h"\n#include "node/gov/slot.h"\n')
        self.silent("node/req/req.c", '#include "node/route/route.h"\n')

    def test_two_of_the_same_number_do_not_know_each_other(self):
        self.fires("layer", "node/req/req.c", '#include "node/api/api.h"\n')

    def test_paths_start_at_the_root(self):
        self.fires("include", "base/buf.c", '#include "check.h"\n')
        self.fires("include", "base/net/tls.c", '#include "../check.h"\n')

    def test_internal_headers_stay_inside(self):
        self.fires("layer", "node/route/route.c", '#include "node/gov/gov_i.h"\n')
        self.silent("node/gov/slot.c", '#include "node/gov/gov_i.h"\n')

    def test_a_folder_that_the_table_does_not_know(self):
        self.fires("layer", "node/extra/x.c", "\n")

    def test_the_table_itself_points_down(self):
        self.write("tests/tidy/layers.txt", "base 0 raft\nraft 3\n")
        self.assertEqual([p.rule for p in self.problems()], ["layer-table"])

    def test_headers_of_others_have_a_home(self):
        self.fires("third-party", "node/req/req.c", "#include <uv.h>\n")
        self.fires("third-party", "base/json.c", "#include <yyjson.h>\n")
        self.fires("third-party", "raft/wire.c", "#include <rocksdb/c.h>\n")
        self.silent("base/net/tls.c", "#include <openssl/ssl.h>\n#include <uv.h>\n")
        self.silent("base/crypto.c", "#include <openssl/evp.h>\n")
        self.silent("tests/sim/sim.c", "#include <raft.h>\n")


class Sizes(Tree):
    def test_a_long_file(self):
        self.fires("file-size", "base/buf.c", "\n" * 601, 601)
        self.silent("base/arena.c", "\n" * 600)

    def test_a_long_line(self):
        self.fires("line-length", "base/buf.c", "int x; /* " + "a" * 100 + " */\n")
        self.silent("base/arena.c", "/*" + "a" * 96 + "*/\n")

    def test_a_long_function(self):
        body = "    work();\n"
        self.fires("function-size", "base/buf.c", "\nint buf_x(int a)\n{\n" + body * 68 + "}\n", 2)
        self.silent("base/arena.c", "int arena_x(int a)\n{\n" + body * 67 + "}\n")

    def test_tables_are_not_functions(self):
        self.silent("base/sm.c", "static const int t[] = {\n" + "    1,\n" * 100 + "};\n")


class Calls(Tree):
    def test_banned_calls(self):
        for name in ("strcpy", "sprintf", "atoi", "strtok", "gmtime", "rand", "usleep", "sscanf"):
            self.fires("banned-call", "base/buf.c", f"\nstatic int x = {name}(a);\n", 2)

    def test_words_that_only_look_like_them(self):
        self.silent("base/buf.c", 'void buf_x(void)\n{\n    my_rand();\n    o->sleep();\n    f("atoi(");\n}\n')
        self.silent("base/buf.c", "/* strcpy() is banned. */\nint buf_a;\n")

    def test_time_and_chance_are_parameters(self):
        for name in ("time", "clock_gettime", "uv_hrtime", "uv_now", "getrandom"):
            self.fires("world", "node/gov/slot.c", f"\nstatic int x = {name}(0);\n", 2)
        self.silent("base/clock.c", "static int x = clock_gettime(0);\n")
        self.silent("tests/unit/x.c", "static int x = clock_gettime(0);\n")


class Flow(Tree):
    def test_goto_goes_forward(self):
        back = "void buf_x(void)\n{\nagain:\n    if (f()) {\n        goto again;\n    }\n}\n"
        forth = "void buf_x(void)\n{\n    if (f()) {\n        goto out;\n    }\nout:\n    g();\n}\n"
        self.fires("goto", "base/buf.c", back, 5)
        self.silent("base/buf.c", forth)

    def test_labels_of_two_functions_are_two_labels(self):
        one = "void buf_%s(void)\n{\n    goto out;\nout:\n    g();\n}\n"
        self.silent("base/buf.c", one % "a" + one % "b")

    def test_states_move(self):
        self.fires("state", "node/req/req.c", "static void x(void)\n{\n    p->state = 3;\n}\n", 3)
        self.silent("node/req/req.c", "static void x(void)\n{\n    if (p->state == 3) {\n    }\n}\n")
        self.silent("node/req/req.c", "static void x(void)\n{\n    p->h2_state = 3;\n}\n")
        self.silent("base/sm.c", "void sm_move(void)\n{\n    m->state = 3;\n}\n")

    def test_no_floating_point_near_money(self):
        self.fires("float", "raft/fsm.c", "static double x;\n")
        self.fires("float", "node/gov/slot.c", "static int x = 5 * 0.5;\n")
        self.silent("node/obs/otlp.c", "static double x = 0.5;\n")
        self.silent("raft/fsm.c", "static const char *v = \"1.5\"; /* 0.5 */\n")


class Names(Tree):
    def test_exported_functions_carry_their_module(self):
        self.fires("prefix", "node/gov/slot.c", "int take(void)\n{\n}\n")
        self.silent("node/gov/slot.c", "int slot_take(void)\n{\n}\nint gov_x(void)\n{\n}\n")
        self.silent("node/gov/slot.c", "static int take(void)\n{\n}\n")
        self.silent("node/serve/h2_session.c", "int h2_start(void)\n{\n}\n")
        self.silent("node/main.c", "int main(void)\n{\n}\n")

    def test_the_types_of_a_module_are_names_too(self):
        self.write("base/clock.h", "struct civil {\n    int y;\n};\n")
        self.silent("base/clock.c", "void civil_x(void)\n{\n}\n")

    def test_a_noun_may_have_several_files(self):
        self.write("node/gov/view.h", "\n")
        self.silent("node/gov/keyring.c", "void view_key_check(void)\n{\n}\n")
        self.fires("prefix", "node/route/plan.c", "void view_key_check(void)\n{\n}\n")

    def test_macros_and_attributes_do_not_hide_a_name(self):
        code = "STEPS(X)\n#undef X\n__attribute__((noreturn)) void check_failed(int a)\n{\n}\n"
        self.silent("base/check.c", code)
        self.fires("prefix", "base/buf.c", code, 1)


class Comments(Tree):
    def test_dead_code(self):
        for text in ("/* b->n = 2; */", "// return x;", "/* call(a, b); */", "/*\n * if (x) {\n * }\n */"):
            self.fires("dead-code", "base/buf.c", f"\n{text}\n", 2)
        self.fires("dead-code", "base/arena.c", "#if 0\nint a;\n#endif\n")

    def test_prose_is_not_code(self):
        for text in ("/* x = 2 means that; it is old. */", "/* Units held; never negative. */",
                     "/* 0 when it fails */", "/* t=0.1s take 2 -> refused;\n * later ok */"):
            self.silent("base/buf.c", text + "\n")

    def test_a_todo_names_its_issue(self):
        self.fires("todo", "base/buf.c", "/* TODO: later */\n")
        self.silent("base/buf.c", "/* TODO(#12): later */\n")


class Parsers(Tree):
    def test_a_listed_parser_has_a_fuzzer(self):
        self.write("tests/tidy/parsers.txt", "url_parse url\n")
        self.assertEqual(self.problems(), [])
        self.write("base/http/url.c", "int url_parse(int a)\n{\n}\n")
        self.assertEqual([p.rule for p in self.problems()], ["parser"])
        self.write("tests/fuzz/fuzz_url.c", "int f(void)\n{\n    return g();\n}\n")
        self.assertEqual([p.rule for p in self.problems()], ["parser"])
        self.write("tests/fuzz/fuzz_url.c", "int f(void)\n{\n    return url_parse(1);\n}\n")
        self.assertEqual(self.problems(), [])

    def test_a_parser_at_the_edge_is_listed(self):
        self.fires("parser", "base/http/url.h", "\nint url_parse(struct slice text,\n    int b);\n", 2)
        self.silent("node/req/req.h", "int req_parse(int a);\n")


class Headers(Tree):
    def test_a_header_compiles_alone(self):
        self.fires("self-contained", "base/buf.h", GUARDED % "size_t buf_n(void);", 3, with_headers=True)
        self.silent("base/buf.h", GUARDED % "#include <stddef.h>\nsize_t buf_n(void);", with_headers=True)

    def test_a_header_guards_itself(self):
        self.fires("self-contained", "base/buf.h", "struct buf {\n    int n;\n};\n", 1, with_headers=True)

    def test_what_was_compiled_is_remembered_until_it_changes(self):
        self.write("base/a.h", GUARDED % "struct a {\n    int n;\n};")
        text = '#ifndef B_H_\n#define B_H_\n#include "base/a.h"\nstruct b {\n    struct a a;\n};\n#endif\n'
        self.silent("base/b.h", text, with_headers=True)
        self.write("base/a.h", GUARDED % "struct other {\n    int n;\n};")
        self.fires("self-contained", "base/b.h", text, 5, with_headers=True)


class Exceptions(Tree):
    def test_they_are_counted_and_need_a_reason(self):
        self.write("base/buf.c", "int take(void)\n{\n}\n")
        self.write("tests/tidy/tidy.allow", "base/buf.c prefix it is older than the rule\n")
        problems, granted, _ = tidy.check_all(self.root, True)
        self.assertEqual((problems, len(granted)), ([], 1))
        self.write("tests/tidy/tidy.allow", "base/buf.c prefix\n")
        self.assertEqual(sorted(p.rule for p in self.problems(True)), ["allow", "prefix"])

    def test_one_that_is_not_needed_is_reported(self):
        allow = Allow("base/*.c goto reason here\n")
        self.assertEqual(allow.problems([]), [])
        self.assertEqual([p.rule for p in allow.problems(["base/buf.c"])], ["allow"])
        self.assertTrue(allow.covers(Problem("base/buf.c", 1, "goto", "")))
        self.assertEqual(allow.problems(["base/buf.c"]), [])

    def test_the_program_prints_and_fails(self):
        self.write("base/buf.c", "int take(void)\n{\n}\n")
        run = subprocess.run(
            [sys.executable, os.path.join(HERE, "tidy.py"), "--root", self.root],
            capture_output=True, text=True,
        )
        lines = run.stdout.strip().split("\n")
        self.assertEqual(run.returncode, 1)
        self.assertTrue(lines[0].startswith("base/buf.c:1: prefix: take() is exported"))
        self.assertEqual(lines[-1], f"{len(tidy.RULES) - 1} passed, 1 failed")


class Reading(unittest.TestCase):
    def test_comments_and_strings_keep_their_lines(self):
        s = Source("base/a.c", 'int a; /* one\n two */ char *b = "x { /* y";\n// z\nint c;\n')
        self.assertEqual(len(s.code_lines), len(s.lines) + 1)
        self.assertNotIn("{", s.code)
        self.assertEqual([c.line for c in s.comments], [1, 3])

    def test_functions_and_their_extent(self):
        s = Source("base/a.c", "struct x {\n    int a;\n};\n\nstatic int\na_b(int (*f)(int))\n{\n    {\n    }\n}\n")
        (f,) = s.functions
        self.assertEqual((f.name, f.line, f.body_line, f.end_line, f.static), ("a_b", 5, 7, 10, True))


if __name__ == "__main__":
    unittest.main()
