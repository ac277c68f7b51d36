/* Writing HTTP/1.1 heads and chunks. */
#include <stdio.h>

#include "base/check.h"
#include "base/http/h1.h"

#define HEAD_BYTES_FIRST 1024
#define HEAD_BYTES_CAP   (256u << 10)

const char *http_reason(int status)
{
    switch (status) {
    case 100:
        return "Continue";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 402:
        return "Payment Required";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 529:
        return "Overloaded";
    default:
        return "Status";
    }
}

/* Framing belongs to the writer. */
static bool h1_is_framing(struct slice name)
{
    return slice_eq(name, SLICE("content-length")) || header_is_hop_by_hop(name);
}

static void h1_write_headers(struct buf *b, const struct headers *h)
{
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        if (!h1_is_framing(h->v[i].name)) {
            buf_add_slice(b, h->v[i].name);
            buf_add(b, ": ", 2);
            buf_add_slice(b, h->v[i].value);
            buf_add(b, "\r\n", 2);
        }
    }
}

static void h1_write_framing(struct buf *b, enum h1_framing f, uint64_t length)
{
    switch (f) {
    case H1_NO_BODY:
        break;
    case H1_LENGTH:
        buf_printf(b, "content-length: %llu\r\n", (unsigned long long)length);
        break;
    case H1_CHUNKED:
        buf_add_str(b, "transfer-encoding: chunked\r\n");
        break;
    }
}

static void h1_write_out(struct chunkq *out, struct buf *b)
{
    ASSERT(!b->full);
    chunkq_add_copy(out, b->p, b->n);
    buf_deinit(b);
}

void h1_write_request(struct chunkq *out, struct slice method, struct slice target,
                      const struct headers *h, enum h1_framing f, uint64_t length)
{
    struct buf b;

    buf_init(&b, HEAD_BYTES_CAP);
    (void)buf_reserve(&b, HEAD_BYTES_FIRST);
    buf_add_slice(&b, method);
    buf_add(&b, " ", 1);
    buf_add_slice(&b, target);
    buf_add(&b, " HTTP/1.1\r\n", 11);
    h1_write_headers(&b, h);
    h1_write_framing(&b, f, length);
    buf_add(&b, "\r\n", 2);
    h1_write_out(out, &b);
}

void h1_write_response(struct chunkq *out, int status, const struct headers *h, enum h1_framing f,
                       uint64_t length, bool keep_alive)
{
    struct buf b;

    buf_init(&b, HEAD_BYTES_CAP);
    (void)buf_reserve(&b, HEAD_BYTES_FIRST);
    buf_printf(&b, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    h1_write_headers(&b, h);
    h1_write_framing(&b, f, length);
    if (!keep_alive) {
        buf_add_str(&b, "connection: close\r\n");
    }
    buf_add(&b, "\r\n", 2);
    h1_write_out(out, &b);
}

void h1_write_chunk(struct chunkq *out, struct chunkq *body)
{
    char size[20];
    int n;

    if (chunkq_empty(body)) {
        return;
    }
    n = snprintf(size, sizeof size, "%zx\r\n", body->n_bytes);
    chunkq_add_copy(out, size, (size_t)n);
    chunkq_move(out, body);
    chunkq_add_copy(out, "\r\n", 2);
}

void h1_write_last_chunk(struct chunkq *out, const struct headers *trailers)
{
    struct buf b;

    buf_init(&b, HEAD_BYTES_CAP);
    buf_add_str(&b, "0\r\n");
    h1_write_headers(&b, trailers);
    buf_add(&b, "\r\n", 2);
    h1_write_out(out, &b);
}
