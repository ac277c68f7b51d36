#include "base/http/url.h"

#include <string.h>

static bool url_host_ok(struct slice host)
{
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '-' || c == '.' || c == '_' || c == ':')) {
            return false;
        }
    }
    return host.n > 0;
}

static bool url_path_ok(struct slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        unsigned char c = (unsigned char)path.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '?' || c == '#' || c == '\\') {
            return false;
        }
    }
    return true;
}

static int url_refuse(struct errmsg *err)
{
    errmsg_set(err, "expected http:// or https://, a host, perhaps :PORT and a path; no user info, "
                    "query or fragment");
    return Q_EINVAL;
}

/* "host", "host:port", "[v6]:port" */
static bool url_authority(struct slice a, struct url *u)
{
    struct slice host = a, port = {"", 0};
    size_t end;
    uint64_t n;

    if (a.n > 0 && a.p[0] == '[') {
        end = slice_find(a, ']');
        if (end == a.n) {
            return false;
        }
        host = slice_of(a.p + 1, end - 1);
        port = slice_of(a.p + end + 1, a.n - end - 1);
    } else {
        end = slice_find(a, ':');
        host = slice_of(a.p, end);
        port = slice_of(a.p + end, a.n - end);
        if (slice_find(host, ':') < host.n) {
            return false;
        }
    }
    if (!url_host_ok(host) || !slice_copy_str(host, u->host, sizeof u->host)) {
        return false;
    }
    u->port = u->https ? 443 : 80;
    if (port.n == 0) {
        return true;
    }
    if (port.p[0] != ':' || scan_u64(slice_of(port.p + 1, port.n - 1), 65535, &n) != 0 || n == 0) {
        return false;
    }
    u->port = (uint16_t)n;
    return true;
}

int url_parse(struct slice text, struct url *ret, struct errmsg *err)
{
    struct slice rest, path;
    struct url u = {0};
    size_t slash;

    u.https = slice_starts(text, SLICE("https://"));
    if (!u.https && !slice_starts(text, SLICE("http://"))) {
        return url_refuse(err);
    }
    rest = slice_of(text.p + 7 + u.https, text.n - 7 - u.https);
    slash = slice_find(rest, '/');
    path = slice_of(rest.p + slash, rest.n - slash);
    while (path.n > 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    if (!url_authority(slice_of(rest.p, slash), &u) || !url_path_ok(path) ||
        !slice_copy_str(path, u.path, sizeof u.path)) {
        return url_refuse(err);
    }
    *ret = u;
    return 0;
}
