/* Request records: what happened to each request and why, one fixed-size write into the worker's
 * ring. Answers `quoratectl explain` and the request log.
 * Thread: the worker that owns the ring; others ask by mail. No prompt, no answer, no secret is
 * ever in a record. */
#ifndef NODE_OBS_RECORD_H_
#define NODE_OBS_RECORD_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/money.h"
#include "base/slice.h"

#define RECORD_RING      4096 /* Records kept per worker; the oldest is overwritten. */
#define RECORD_ID_BYTES  32
#define RECORD_WHY_BYTES 512

struct record {
    char id[RECORD_ID_BYTES];
    int64_t at_ms; /* Unix, when the head was complete. */
    char key[NAME_BYTES_MAX + 1], team[NAME_BYTES_MAX + 1];
    char model_asked[NAME_BYTES_MAX * 2 + 1];                         /* As the client named it. */
    char provider[NAME_BYTES_MAX + 1], model[NAME_BYTES_MAX * 2 + 1]; /* Of the last attempt. */
    int status;                                                       /* HTTP. */
    char code[40];              /* CONTRACT.md's vocabulary; "" when it went well. */
    char why[RECORD_WHY_BYTES]; /* The story in sentences: each attempt, each refusal. */
    unsigned attempts;
    bool stream, client_left;
    uint64_t input_tokens, output_tokens;
    i128 cost_pusd;
    uint64_t total_us, first_byte_us, overhead_us;
};

struct record_ring {
    struct record *v; /* RECORD_RING of them. */
    uint64_t n;       /* Written ever. */
};
void record_ring_init(struct record_ring *r);
void record_ring_deinit(struct record_ring *r);
/* The next place, emptied; the caller fills it. */
struct record *record_ring_next(struct record_ring *r);
const struct record *record_ring_find(const struct record_ring *r, struct slice id);
/* Appends a sentence to why, within its size. */
void record_why(struct record *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As JSON, for the admin API. */
void record_json(const struct record *r, struct buf *out);

#endif /* NODE_OBS_RECORD_H_ */
