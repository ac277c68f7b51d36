/* Every bound on what a peer can make us hold, and how they relate. When something is full the
 * answer is
 * written beside it: refuse, wait, or drop and count. */
#ifndef BASE_LIMITS_H_
#define BASE_LIMITS_H_

#include <assert.h>
#include <stdint.h>

/* --- clients: HTTP --- */
#define HTTP_BODY_BYTES_MAX (32u << 20)  /* refuse: 413; configurable downwards and upwards */
#define HTTP_BODY_BYTES_CAP (256u << 20) /* the most `limits.body` may be set to */
#define HTTP_HEAD_BYTES_MAX (32u << 10)  /* refuse: 431; all header names and values */
#define HTTP_HEADERS_MAX    100          /* refuse: 431 */
#define HTTP_URL_BYTES_MAX  (8u << 10)   /* refuse: 414 */
#define HTTP_HEAD_MS        10000        /* a head must arrive within; close */
#define HTTP_IDLE_MS        75000        /* keep-alive without a request; close */
#define HTTP_BODY_STALL_MS  30000        /* no body byte for; 408 */
#define HTTP_WRITE_STALL_MS 300000       /* no byte accepted by the client for; close */
#define HTTP_PIPELINE_MAX   1    /* h1: the next request is read when the last is answered */
#define H2_STREAMS_MAX      128  /* SETTINGS_MAX_CONCURRENT_STREAMS */
#define H2_RESETS_WINDOW    200  /* of the last 200 streams ... */
#define H2_RESETS_MAX       100  /* ... at most 100 reset: else GOAWAY */
#define WORKER_SESSIONS_MAX 8192 /* accept pauses */
#define EXCHANGE_SEND_BYTES_MAX \
    (64u << 10) /* unsent response bytes before the producer is told to wait */

/* --- providers --- */
#define FETCH_HEAD_BYTES_MAX    (64u << 10)
#define FETCH_HEADERS_MAX       200
#define FETCH_RECV_BYTES_MAX    (64u << 10) /* unread response bytes before reading pauses */
#define SSE_EVENT_BYTES_MAX     (1u << 20)  /* error: upstream_bad_response */
#define UPSTREAM_JSON_BYTES_MAX (32u << 20) /* a whole non-streamed answer */
#define ORIGIN_CONNS_MAX        256         /* per worker and origin; wait in FIFO */
#define ORIGIN_WAITERS_MAX      4096        /* refuse: overloaded */
#define H2_UPSTREAM_STREAMS_MAX 100         /* per connection */
#define DRAIN_AFTER_CLIENT_MS   30000       /* a stream whose client left is read for its usage */
#define DRAIN_FETCHES_MAX       1024        /* per worker; over it the oldest is charged in full */

/* --- peers and consensus --- */
#define WIRE_FRAME_BYTES_MAX (16u << 20) /* close */
#define WIRE_ENTRIES_MAX     4096        /* entries in one AppendEntries */
#define WIRE_APPEND_BYTES_MAX \
    (256u << 10) /* bytes of entries in one AppendEntries, but for one entry */
#define CMD_BYTES_MAX        (1u << 20) /* one command; checked before submit */
#define SNAPSHOT_CHUNK_BYTES (256u << 10)
#define PEER_SEND_BYTES_MAX  (64u << 20) /* queued to one peer; raft messages beyond are dropped */
#define SUBMITS_PENDING_MAX  16384       /* refuse: overloaded */
#define MEMBERS_MAX          15

/* --- resources --- */
#define NAME_BYTES_MAX    128          /* of a resource; [A-Za-z0-9._/-] */
#define SPEC_BYTES_MAX    (256u << 10) /* one resource's JSON */
#define PATH_BUDGETS_MAX  8            /* budgets that one request reserves on */
#define ROUTE_TARGETS_MAX 32
#define PARK_MS           1500 /* a request waits for credit at most */
#define PARKED_MAX        4096 /* per worker; refuse: budget_reserved */

/* --- JSON and YAML from outside --- */
#define JSON_DEPTH_MAX      128
#define YAML_FILE_BYTES_MAX (4u << 20)

static_assert(CMD_BYTES_MAX + 4096 <= WIRE_FRAME_BYTES_MAX, "one command fits a frame");
static_assert(SPEC_BYTES_MAX < CMD_BYTES_MAX, "one resource fits a command");
static_assert(WIRE_APPEND_BYTES_MAX + CMD_BYTES_MAX < WIRE_FRAME_BYTES_MAX,
              "an append fits a frame");
static_assert(HTTP_BODY_BYTES_MAX <= HTTP_BODY_BYTES_CAP, "the default is allowed");
static_assert(H2_RESETS_MAX < H2_RESETS_WINDOW, "the ratio can trip");

#endif /* BASE_LIMITS_H_ */
