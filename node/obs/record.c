#include "node/obs/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

void record_ring_init(struct record_ring *r)
{
    r->v = mem_zalloc(RECORD_RING * sizeof *r->v);
    r->n = 0;
}

void record_ring_deinit(struct record_ring *r)
{
    mem_free(r->v);
    r->v = NULL;
}

struct record *record_ring_next(struct record_ring *r)
{
    struct record *rec = &r->v[r->n++ % RECORD_RING];

    memset(rec, 0, sizeof *rec);
    return rec;
}

const struct record *record_ring_find(const struct record_ring *r, struct slice id)
{
    uint64_t have = r->n < RECORD_RING ? r->n : RECORD_RING;

    for (uint64_t i = 0; i < have; i++) {
        const struct record *rec = &r->v[(r->n - 1 - i) % RECORD_RING];
        if (slice_eq(slice_str(rec->id), id)) {
            return rec;
        }
    }
    return NULL;
}

void record_why(struct record *r, const char *fmt, ...)
{
    size_t n = strlen(r->why);
    va_list ap;

    if (n > 0 && n + 2 < sizeof r->why) {
        r->why[n++] = ' ';
        r->why[n] = 0;
    }
    va_start(ap, fmt);
    (void)vsnprintf(r->why + n, sizeof r->why - n, fmt, ap);
    va_end(ap);
}

void record_json(const struct record *r, struct buf *out)
{
    char at[CIVIL_TEXT_BYTES], cost[AMOUNT_TEXT_BYTES];
    struct jsonw w;

    civil_text(r->at_ms, at);
    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_kstr(&w, "id", r->id);
    jsonw_kstr(&w, "at", at);
    jsonw_kstr(&w, "key", r->key);
    jsonw_kstr(&w, "team", r->team);
    jsonw_kstr(&w, "model_asked", r->model_asked);
    jsonw_kstr(&w, "provider", r->provider);
    jsonw_kstr(&w, "model", r->model);
    jsonw_ki64(&w, "status", r->status);
    jsonw_kstr(&w, "code", r->code);
    jsonw_kstr(&w, "why", r->why);
    jsonw_ku64(&w, "attempts", r->attempts);
    jsonw_kbool(&w, "stream", r->stream);
    jsonw_kbool(&w, "client_left", r->client_left);
    jsonw_ku64(&w, "input_tokens", r->input_tokens);
    jsonw_ku64(&w, "output_tokens", r->output_tokens);
    jsonw_kstr(&w, "cost_usd", amount_text(r->cost_pusd, 12, cost));
    jsonw_ku64(&w, "total_us", r->total_us);
    jsonw_ku64(&w, "first_byte_us", r->first_byte_us);
    jsonw_ku64(&w, "overhead_us", r->overhead_us);
    jsonw_obj_end(&w);
}
