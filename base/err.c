#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_str(int code)
{
    switch (code) {
    case 0:
        return "ok";
#define X(name, text) \
    case Q_##name:    \
        return text;
        ERR_CODES(X)
#undef X
    default:
        return "unknown error";
    }
}

int err_from_errno(int errno_positive)
{
    switch (errno_positive) {
    case 0:
        return 0;
    case EAGAIN:
        return Q_EAGAIN;
    case EINVAL:
        return Q_EINVAL;
    case ENOENT:
        return Q_ENOTFOUND;
    case EEXIST:
    case EADDRINUSE:
        return Q_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return Q_ENOSPC;
    case ECANCELED:
        return Q_ECANCELED;
    case ETIMEDOUT:
        return Q_ETIMEDOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return Q_EREFUSED;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNABORTED:
        return Q_ERESET;
    case EACCES:
    case EPERM:
    case EROFS:
        return Q_EPERM;
    case EBUSY:
        return Q_EBUSY;
    default:
        return Q_EIO;
    }
}

void errmsg_set(struct errmsg *e, const char *fmt, ...)
{
    va_list ap;

    if (e == NULL) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
}

void errmsg_wrap(struct errmsg *e, const char *fmt, ...)
{
    char inner[ERRMSG_BYTES_MAX];
    va_list ap;
    size_t n;

    if (e == NULL) {
        return;
    }
    memcpy(inner, e->text, sizeof inner);
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    (void)snprintf(e->text + n, sizeof e->text - n, ": %s", inner);
}
