#include "client/http.h"

#include <curl/curl.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "client/args.h"

/* "Authorization: Bearer <token>" from @file; Q_EINVAL when the token cannot be one. */
static int http_read_token(struct http *h, const char *file, struct errmsg *err)
{
    static const char prefix[] = "Authorization: Bearer ";
    char text[HTTP_TOKEN_BYTES_MAX + 1];
    char line[sizeof(prefix) + HTTP_TOKEN_BYTES_MAX];
    struct slice token;
    FILE *f = fopen(file, "re");
    int rc = Q_EINVAL;

    if (!f) {
        errmsg_set(err, "token file %s: %s", file, strerror(errno));
        return Q_EINVAL;
    }
    token = slice_trim(slice_of(text, fread(text, 1, sizeof(text), f)));
    if (ferror(f)) {
        errmsg_set(err, "token file %s: it cannot be read", file);
    } else if (token.n == 0) {
        errmsg_set(err, "token file %s is empty", file);
    } else if (token.n > HTTP_TOKEN_BYTES_MAX) {
        errmsg_set(err, "token file %s: over %d bytes", file, HTTP_TOKEN_BYTES_MAX);
    } else {
        rc = 0;
        for (size_t i = 0; i < token.n; i++) {
            if (token.p[i] <= ' ' || token.p[i] > '~') {
                errmsg_set(err, "token file %s holds more than one token", file);
                rc = Q_EINVAL;
                break;
            }
        }
    }
    if (rc == 0) {
        (void)snprintf(line, sizeof(line), "%s%.*s", prefix, SLICE_FMT(token));
        h->headers = curl_slist_append(NULL, line);
        /* A node is not asked first whether it wants the body. */
        h->headers = curl_slist_append(h->headers, "Expect:");
    }
    mem_wipe(text, sizeof(text));
    mem_wipe(line, sizeof(line));
    (void)fclose(f);
    return rc;
}

int http_init(struct http *h, const struct args *a, struct errmsg *err)
{
    *h = (struct http){.endpoints = a->endpoints, .n_endpoints = a->n_endpoints};
    if (a->n_endpoints == 0) {
        errmsg_set(err, "which node? Give --endpoint URL or set QUORATE_ENDPOINT");
        return Q_EINVAL;
    }
    if (!a->value[OPT_TOKEN_FILE]) {
        errmsg_set(err, "no token: give --token-file FILE or set QUORATE_TOKEN_FILE");
        return Q_EINVAL;
    }
    if (a->value[OPT_CACERT] && access(a->value[OPT_CACERT], R_OK) != 0) {
        errmsg_set(err, "CA file %s: %s", a->value[OPT_CACERT], strerror(errno));
        return Q_EINVAL;
    }
    if (http_read_token(h, a->value[OPT_TOKEN_FILE], err)) {
        return Q_EINVAL;
    }
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    h->curl = curl_easy_init();
    if (!h->curl) {
        errmsg_set(err, "libcurl does not start");
        return Q_EIO;
    }
    if (a->value[OPT_CACERT]) {
        (void)curl_easy_setopt(h->curl, CURLOPT_CAINFO, a->value[OPT_CACERT]);
    }
    (void)curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
    (void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
    (void)curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "quoratectl/" QUORATE_VERSION);
    /* Redirects are not followed: the token goes to the endpoints named, to nobody else. */
    (void)curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
    return 0;
}

void http_deinit(struct http *h)
{
    struct curl_slist *headers = h->headers;

    if (headers) {
        mem_wipe(headers->data, strlen(headers->data));
    }
    curl_slist_free_all(headers);
    if (h->curl) {
        curl_easy_cleanup(h->curl);
        curl_global_cleanup();
    }
    *h = (struct http){0};
}

struct http_writer {
    struct http *h;
    struct http_call *c;
};

static size_t http_on_body(char *p, size_t size, size_t n, void *arg)
{
    struct http_writer *w = arg;
    long status = 0;

    (void)curl_easy_getinfo(w->h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (w->c->sink && status == 200) {
        return fwrite(p, 1, size * n, w->c->sink);
    }
    buf_add(&w->c->reply, p, size * n);
    return w->c->reply.full ? 0 : size * n;
}

static void http_set_body(struct http *h, const struct http_call *c)
{
    if (c->content_type) {
        (void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
        (void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, c->body.n ? c->body.p : "");
    } else {
        (void)curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL);
        (void)curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
    }
    (void)curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, c->method);
}

/* Whether the node cannot have seen the request. */
static bool http_never_sent(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

/* Empties what an endpoint that failed has left. */
static int http_restart_reply(struct http_call *c, struct errmsg *err)
{
    if (c->reply.cap == 0) {
        buf_init(&c->reply, HTTP_REPLY_BYTES_MAX);
    }
    buf_clear(&c->reply);
    c->status = 0;
    if (c->sink && (fseek(c->sink, 0, SEEK_SET) != 0 || ftruncate(fileno(c->sink), 0) != 0)) {
        errmsg_set(err, "the output file cannot be rewound: %s", strerror(errno));
        return Q_EIO;
    }
    return 0;
}

static int http_failure(CURLcode code, const char *detail, const char *endpoint,
                        const struct http_call *c, struct errmsg *err)
{
    if (code == CURLE_WRITE_ERROR) {
        errmsg_set(err, "%s: %s", endpoint,
                   c->reply.full ? "the answer is too long" : "the output file cannot be written");
        return Q_EIO;
    }
    errmsg_set(err, "%s: %s", endpoint, detail[0] ? detail : curl_easy_strerror(code));
    if (strcmp(c->method, "POST") == 0 && !http_never_sent(code)) {
        errmsg_set(err, "%s: no answer (%s). It may have been done: look before you repeat it",
                   endpoint, curl_easy_strerror(code));
        return Q_EUNKNOWN;
    }
    return Q_EREFUSED;
}

int http_call_at(struct http *h, unsigned endpoint, struct http_call *c, struct errmsg *err)
{
    const char *base = h->endpoints[endpoint];
    size_t base_n = strlen(base);
    char detail[CURL_ERROR_SIZE] = "";
    char type[128];
    struct curl_slist *last;
    struct http_writer w = {h, c};
    struct buf url;
    CURLcode code;
    int rc = http_restart_reply(c, err);

    if (rc) {
        return rc;
    }
    while (base_n && base[base_n - 1] == '/') {
        base_n--;
    }
    buf_init(&url, 16384);
    buf_printf(&url, "%.*s%s", (int)base_n, base, c->path);
    buf_add_u8(&url, 0);
    (void)snprintf(type, sizeof(type), "Content-Type: %s", c->content_type ? c->content_type : "");
    /* The header of this call goes first, in front of the token's, and is unlinked afterwards. */
    last = curl_slist_append(NULL, c->content_type ? type : "Accept: application/json");
    last->next = h->headers;
    http_set_body(h, c);
    (void)curl_easy_setopt(h->curl, CURLOPT_URL, url.p);
    (void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, last);
    (void)curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, detail);
    (void)curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, http_on_body);
    (void)curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &w);
    code = url.full ? CURLE_URL_MALFORMAT : curl_easy_perform(h->curl);
    (void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &c->status);
    (void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, NULL);
    last->next = NULL;
    curl_slist_free_all(last);
    buf_deinit(&url);
    return code == CURLE_OK ? 0 : http_failure(code, detail, base, c, err);
}

int http_call(struct http *h, struct http_call *c, struct errmsg *err)
{
    unsigned first = h->at;
    int rc = Q_EREFUSED;

    for (unsigned i = 0; i < h->n_endpoints; i++) {
        unsigned at = (first + i) % h->n_endpoints;
        bool is_last = i + 1 == h->n_endpoints;
        rc = http_call_at(h, at, c, err);
        if (rc == 0 && (c->status != 503 || is_last)) {
            h->at = at;
            return 0;
        }
        if (rc && rc != Q_EREFUSED) {
            return rc;
        }
        if (!is_last) {
            (void)fprintf(stderr, "quoratectl: %s%s; trying the next\n",
                          rc ? err->text : h->endpoints[at], rc ? "" : " is not ready (503)");
        }
    }
    return rc;
}

void http_call_deinit(struct http_call *c)
{
    buf_deinit(&c->reply);
}

void http_add_query(struct buf *path, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char ch = (unsigned char)*p;
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || strchr("-._~", ch);
        if (plain) {
            buf_add_u8(path, ch);
        } else {
            buf_printf(path, "%%%02X", ch);
        }
    }
}

void http_add_segment(struct buf *path, const char *name)
{
    buf_add_u8(path, '/');
    http_add_query(path, name);
}
