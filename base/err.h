/* Errors: a negative code for the program, a sentence for a person.
 *
 * A function that can fail returns 0 or a code. Each layer adds what it knows to the sentence;
 * nobody
 * logs it on the way: it is logged once, where it is decided what to do about it. */
#ifndef BASE_ERR_H_
#define BASE_ERR_H_

/* name, text of err_str() */
#define ERR_CODES(X)                                      \
    X(EAGAIN, "not yet")                                  \
    X(EINVAL, "invalid")                                  \
    X(EPROTO, "protocol violation")                       \
    X(ETOOBIG, "too large")                               \
    X(ENOTFOUND, "not found")                             \
    X(EEXIST, "exists already")                           \
    X(EIO, "input/output error")                          \
    X(ENOSPC, "no space left")                            \
    X(ECORRUPT, "stored data is damaged")                 \
    X(ECANCELED, "canceled")                              \
    X(ETIMEDOUT, "timed out")                             \
    X(EREFUSED, "connection refused or unreachable")      \
    X(ERESET, "connection closed by the other side")      \
    X(EDNS, "name not resolved")                          \
    X(ETLS, "TLS failure")                                \
    X(EOF, "end of stream")                               \
    X(EPERM, "not allowed")                               \
    X(EBUSY, "busy")                                      \
    X(ENOTLEADER, "not the leader")                       \
    X(ENOQUORUM, "no quorum")                             \
    X(EUNKNOWN, "outcome unknown")                        \
    X(ECONFLICT, "lost a race: the revision has changed") \
    X(EVERSION, "version not understood")                 \
    X(EDRAINING, "draining")

enum err_code {
    Q_ERR_BASE_ = -1000,
#define X(name, text) Q_##name,
    ERR_CODES(X)
#undef X
};

/* "not found", ... ; never NULL. Thread: any. */
const char *err_str(int code);
/* The code of a negative errno or libuv status (they share values on Linux). */
int err_from_errno(int errno_positive);

#define ERRMSG_BYTES_MAX 512

/* Caller's memory. Empty when text[0] is 0. */
struct errmsg {
    char text[ERRMSG_BYTES_MAX];
};

/* Replaces the sentence. @e may be NULL. Truncates. */
void errmsg_set(struct errmsg *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts context before the sentence: "context: sentence". @e may be NULL. */
void errmsg_wrap(struct errmsg *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* BASE_ERR_H_ */
