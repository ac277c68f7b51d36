#include "client/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void output_add_json(struct buf *out, yyjson_val *val)
{
    size_t n;
    char *text = yyjson_val_write(val, YYJSON_WRITE_PRETTY_TWO_SPACES, &n);

    if (text) {
        buf_add(out, text, n);
        buf_add_u8(out, '\n');
        free(text);
    }
}

/* Whether @s read as plain YAML is this string: letters first, and no word that means something
 * else. */
static bool output_is_plain(struct slice s)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on",
                                        "off",  "y",     "n",    "inf", "nan"};

    if (s.n == 0 || s.n > 200) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        bool inner = (ch >= '0' && ch <= '9') || strchr("-_./", ch);
        if (ch == 0 || !(letter || (i > 0 && inner))) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_ieq(s, slice_str(words[i]))) {
            return false;
        }
    }
    return true;
}

static void output_add_yaml_text(struct buf *out, struct slice s)
{
    struct jsonw w;

    if (output_is_plain(s)) {
        buf_add_slice(out, s);
    } else {
        jsonw_init(&w, out);
        jsonw_slice(&w, s);
    }
}

static bool output_is_block(yyjson_val *val)
{
    return (yyjson_is_arr(val) || yyjson_is_obj(val)) && unsafe_yyjson_get_len(val) > 0;
}

static void output_add_yaml_at(struct buf *out, yyjson_val *val, int indent, bool inline_first);

/* What follows "key:" or stands after "- ". */
static void output_add_yaml_scalar(struct buf *out, yyjson_val *val)
{
    size_t n;
    char *text;

    if (yyjson_is_str(val)) {
        output_add_yaml_text(out, json_slice(val));
    } else {
        text = yyjson_val_write(val, 0, &n);
        buf_add(out, text ? text : "null", text ? n : 4);
        free(text);
    }
    buf_add_u8(out, '\n');
}

static void output_add_yaml_obj(struct buf *out, yyjson_val *val, int indent, bool inline_first)
{
    size_t i, n;
    yyjson_val *key, *item;

    yyjson_obj_foreach(val, i, n, key, item)
    {
        buf_printf(out, "%*s", i == 0 && inline_first ? 0 : indent, "");
        output_add_yaml_text(out, json_slice(key));
        if (output_is_block(item)) {
            buf_add_str(out, ":\n");
            output_add_yaml_at(out, item, indent + 2, false);
        } else {
            buf_add_str(out, ": ");
            output_add_yaml_scalar(out, item);
        }
    }
}

/* @inline_first: the first line stands after "- " already. Depth is bounded by JSON_DEPTH_MAX. */
static void output_add_yaml_at(struct buf *out, yyjson_val *val, int indent, bool inline_first)
{
    size_t i, n;
    yyjson_val *item;

    if (!output_is_block(val)) {
        output_add_yaml_scalar(out, val);
        return;
    }
    if (yyjson_is_obj(val)) {
        output_add_yaml_obj(out, val, indent, inline_first);
        return;
    }
    yyjson_arr_foreach(val, i, n, item)
    {
        buf_printf(out, "%*s- ", i == 0 && inline_first ? 0 : indent, "");
        output_add_yaml_at(out, item, indent + 2, true);
    }
}

void output_add_yaml(struct buf *out, yyjson_val *val)
{
    output_add_yaml_at(out, val, 0, false);
}

void output_add_resource(struct buf *out, yyjson_val *item)
{
    static const char *const keys[] = {"kind", "name"};
    yyjson_val *spec = yyjson_obj_get(item, "spec");

    buf_add_str(out, "---\n");
    for (unsigned i = 0; i < 2; i++) {
        buf_printf(out, "%s: ", keys[i]);
        output_add_yaml_text(out, json_slice(yyjson_obj_get(item, keys[i])));
        buf_add_u8(out, '\n');
    }
    buf_add_str(out, output_is_block(spec) ? "spec:\n" : "spec: ");
    if (output_is_block(spec)) {
        output_add_yaml_at(out, spec, 2, false);
    } else {
        buf_add_str(out, "{}\n");
    }
}

void output_print(enum output how, yyjson_val *val)
{
    struct buf out;

    buf_init(&out, OUTPUT_BYTES_MAX);
    if (how == OUTPUT_YAML) {
        output_add_yaml(&out, val);
    } else {
        output_add_json(&out, val);
    }
    output_flush(&out);
    buf_deinit(&out);
}

void output_flush(struct buf *out)
{
    (void)fwrite(out->p, 1, out->n, stdout);
    (void)fflush(stdout);
    buf_clear(out);
}
