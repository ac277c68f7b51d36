"""Functions that are not called here, each with what to call instead."""
import re

from problem import Problem

STRINGS = {
    "strcpy": "copy a slice (slice_copy_str, mem_strdup)",
    "strcat": "append to a struct buf",
    "sprintf": "buf_printf, or snprintf with the size checked",
    "vsprintf": "vsnprintf with the size checked",
    "strtok": "scan_token, which takes a maximum",
    "strncpy": "slice_copy_str, which always ends the string",
    "gets": "read into a buffer with a bound",
    "atoi": "scan_i64, which takes a range",
    "atol": "scan_i64, which takes a range",
    "atoll": "scan_i64, which takes a range",
    "atof": "amount_parse: no floating point for money",
    "scanf": "scan_token and scan_u64",
    "sscanf": "scan_token and scan_u64",
    "fscanf": "scan_token and scan_u64",
    "gmtime": "civil_from_ms",
    "localtime": "civil_from_ms, in UTC",
    "rand": "rng_u64 of the struct rng you were given",
    "srand": "rng_init_seed",
    "random": "rng_u64 of the struct rng you were given",
    "usleep": "a timer: a loop never blocks",
    "sleep": "a timer: a loop never blocks",
    "nanosleep": "a timer: a loop never blocks",
}

WORLD = {
    "uv_now": "clock_mono_ms of the struct clock you were given",
    "uv_hrtime": "clock_mono_us of the struct clock you were given",
    "time": "clock_wall_ms of the struct clock you were given",
    "clock_gettime": "the struct clock you were given",
    "gettimeofday": "clock_wall_ms of the struct clock you were given",
    "uv_random": "the struct rng you were given",
    "getrandom": "the struct rng you were given",
}
WORLD_HOMES = {"base/clock.c", "base/rng.c", "base/net/loop.c"}


def pattern(names):
    return re.compile(r"(?<![\w.])(?<!->)(" + "|".join(names) + r")\s*\(")


STRINGS_CALL = pattern(STRINGS)
WORLD_CALL = pattern(WORLD)


def check(source, is_product):
    for number, line in enumerate(source.code_lines, 1):
        for m in STRINGS_CALL.finditer(line):
            advice = f"{m.group(1)}() is banned; use {STRINGS[m.group(1)]}"
            yield Problem(source.path, number, "banned-call", advice)
        if not is_product or source.path in WORLD_HOMES:
            continue
        for m in WORLD_CALL.finditer(line):
            advice = f"{m.group(1)}() cannot be replayed from a seed; use {WORLD[m.group(1)]}"
            yield Problem(source.path, number, "world", advice)
