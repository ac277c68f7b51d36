/* Calls of the admin API by libcurl, blocking, one at a time.
 *
 * The endpoints are tried in order: the next one when a node is unreachable or answers 503, and
 * the one that answered is asked first from then on. A POST that may have arrived is not sent a
 * second time: a key would be made twice. */
#ifndef CLIENT_HTTP_H_
#define CLIENT_HTTP_H_

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define HTTP_REPLY_BYTES_MAX (64u << 20) /* A longer answer is an error. */
#define HTTP_TOKEN_BYTES_MAX 4096
#define HTTP_CONNECT_MS      3000
#define HTTP_STALL_S         60 /* Without one byte in this time, a call has failed. */

struct args;

struct http {
    void *curl;    /* CURL */
    void *headers; /* struct curl_slist: Authorization; wiped in http_deinit(). */
    const char *const *endpoints;
    unsigned n_endpoints;
    unsigned at; /* The endpoint to ask first. */
};

struct http_call {
    const char *method;
    const char *path; /* "/admin/v1/..." */
    struct slice body;
    const char *content_type; /* NULL: no body. */
    FILE *sink;               /* Takes the body of a 200 instead of `reply`; NULL: none. */
    /* The answer. */
    long status;
    struct buf reply;
};

/* Q_EINVAL without endpoint or token; reads the token file. */
int http_init(struct http *h, const struct args *a, struct errmsg *err);
void http_deinit(struct http *h);
/* 0: some node answered, c->status says what. Q_EREFUSED: none did. Q_EUNKNOWN: the request may
 * have been carried out. Sentence in @err. */
int http_call(struct http *h, struct http_call *c, struct errmsg *err);
/* The same of one endpoint. */
int http_call_at(struct http *h, unsigned endpoint, struct http_call *c, struct errmsg *err);
void http_call_deinit(struct http_call *c);

/* Appends "/" and @name as one segment of a URL: '/' becomes %2F. */
void http_add_segment(struct buf *path, const char *name);
/* Appends @text for a query string. */
void http_add_query(struct buf *path, const char *text);

#endif /* CLIENT_HTTP_H_ */
