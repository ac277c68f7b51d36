#include "client/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

yyjson_val *table_at(yyjson_val *obj, const char *path)
{
    while (obj && *path) {
        size_t n = strcspn(path, ".");
        obj = yyjson_obj_getn(obj, path, n);
        path += n + (path[n] == '.');
    }
    return obj;
}

/* Control characters, C1 and DEL included, could steer the terminal: they become '?'. */
static void table_add_plain(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        bool c1 = ch == 0xc2 && i + 1 < n && (unsigned char)p[i + 1] < 0xa0;
        if (ch < ' ' || ch == 0x7f || c1) {
            buf_add_u8(out, '?');
            i += c1;
        } else {
            buf_add_u8(out, ch);
        }
    }
}

void table_add_cell(struct buf *out, yyjson_val *val)
{
    if (yyjson_is_str(val)) {
        if (yyjson_get_len(val) == 0) {
            buf_add_u8(out, '-');
        }
        table_add_plain(out, yyjson_get_str(val), yyjson_get_len(val));
    } else if (yyjson_is_raw(val)) {
        table_add_plain(out, yyjson_get_raw(val), yyjson_get_len(val));
    } else if (yyjson_is_bool(val)) {
        buf_add_str(out, yyjson_get_bool(val) ? "yes" : "no");
    } else if (yyjson_is_arr(val) && yyjson_arr_size(val)) {
        size_t i, n;
        yyjson_val *item;
        yyjson_arr_foreach(val, i, n, item)
        {
            if (i) {
                buf_add_u8(out, ',');
            }
            table_add_cell(out, item);
        }
    } else if (yyjson_is_num(val) || (yyjson_is_obj(val) && yyjson_obj_size(val))) {
        size_t n;
        char *text = yyjson_val_write(val, 0, &n);
        table_add_plain(out, text ? text : "?", text ? n : 1);
        free(text);
    } else {
        buf_add_u8(out, '-');
    }
}

/* Characters, not bytes. */
static size_t table_width(const char *p, size_t n)
{
    size_t width = 0;

    for (size_t i = 0; i < n; i++) {
        width += ((unsigned char)p[i] & 0xc0) != 0x80;
    }
    return width;
}

static void table_add_padded(struct buf *out, const char *p, size_t n, size_t width, bool right,
                             bool last)
{
    size_t pad = width - table_width(p, n);

    if (right) {
        buf_printf(out, "%*s", (int)pad, "");
    }
    buf_add(out, p, n);
    if (!right && !last) {
        buf_printf(out, "%*s", (int)pad, "");
    }
    buf_add_str(out, last ? "\n" : "  ");
}

/* Cells lie one after the other in a scratch buffer, each ended by a 0. */
static void table_add_cells(struct buf *cells, const struct table_column *columns,
                            unsigned n_columns, yyjson_val *row, size_t *width)
{
    for (unsigned c = 0; c < n_columns; c++) {
        size_t begin = cells->n;
        size_t w;
        if (row) {
            table_add_cell(cells, table_at(row, columns[c].key));
        } else {
            buf_add_str(cells, columns[c].title);
        }
        w = table_width(cells->p + begin, cells->n - begin);
        width[c] = w > width[c] ? w : width[c];
        buf_add_u8(cells, 0);
    }
}

void table_add(struct buf *out, const struct table_column *columns, unsigned n_columns,
               yyjson_val *rows)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};
    size_t at = 0;
    size_t i, n;
    unsigned column = 0;
    yyjson_val *row;
    struct buf cells;

    ASSERT(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);
    buf_init(&cells, TABLE_BYTES_MAX);
    table_add_cells(&cells, columns, n_columns, NULL, width);
    yyjson_arr_foreach(rows, i, n, row)
    {
        table_add_cells(&cells, columns, n_columns, row, width);
    }
    while (!cells.full && at < cells.n) {
        size_t len = strlen(cells.p + at);
        table_add_padded(out, cells.p + at, len, width[column], columns[column].right,
                         column + 1 == n_columns);
        at += len + 1;
        column = (column + 1) % n_columns;
    }
    buf_deinit(&cells);
}

void table_add_facts(struct buf *out, const struct table_column *facts, unsigned n_facts,
                     yyjson_val *obj)
{
    size_t width = 0;

    for (unsigned i = 0; i < n_facts; i++) {
        size_t w = strlen(facts[i].title);
        width = w > width ? w : width;
    }
    for (unsigned i = 0; i < n_facts; i++) {
        yyjson_val *val = table_at(obj, facts[i].key);
        if (!val || yyjson_is_null(val)) {
            continue;
        }
        table_add_padded(out, facts[i].title, strlen(facts[i].title), width, false, false);
        table_add_cell(out, val);
        buf_add_u8(out, '\n');
    }
}
