/* Tickets that servers gave us, by who they are for. A few each: a ticket is used once, and
 * several dials may be under way. When too many servers are known all are forgotten; a handshake
 * in full is all it costs. */
#include "base/mem.h"
#include "base/net/loop_i.h"
#include "base/net/tls_i.h"
#include "base/strmap.h"

#define SESSIONS_KEYS_MAX 256
#define SESSIONS_PER_KEY  4

struct sessions {
    struct strmap map; /* Key -> struct sessions_entry. */
};
struct sessions_entry {
    size_t n;
    SSL_SESSION *v[SESSIONS_PER_KEY]; /* The oldest first. */
};

static void sessions_forget(struct sessions *s)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&s->map, &i)) != NULL;) {
        struct sessions_entry *entry = e->value;
        while (entry->n > 0) {
            SSL_SESSION_free(entry->v[--entry->n]);
        }
        mem_free(entry);
    }
    strmap_deinit(&s->map);
    strmap_init(&s->map);
}

void sessions_put(struct loop *l, const char *key, SSL_SESSION *taken)
{
    struct sessions *s = l->sessions;
    struct sessions_entry *entry;

    if (s == NULL) {
        s = l->sessions = mem_zalloc(sizeof *s);
        strmap_init(&s->map);
    }
    entry = strmap_get(&s->map, slice_str(key));
    if (entry == NULL) {
        if (s->map.n_live >= SESSIONS_KEYS_MAX) {
            sessions_forget(s);
        }
        entry = mem_zalloc(sizeof *entry);
        (void)strmap_put(&s->map, slice_str(key), entry);
    }
    if (entry->n == SESSIONS_PER_KEY) {
        SSL_SESSION_free(entry->v[0]);
        entry->n--;
        for (size_t i = 0; i < entry->n; i++) {
            entry->v[i] = entry->v[i + 1];
        }
    }
    entry->v[entry->n++] = taken;
}

SSL_SESSION *sessions_take(struct loop *l, const char *key)
{
    struct sessions_entry *entry =
        l->sessions != NULL ? strmap_get(&l->sessions->map, slice_str(key)) : NULL;

    return entry != NULL && entry->n > 0 ? entry->v[--entry->n] : NULL;
}

void sessions_free(struct sessions *s)
{
    if (s != NULL) {
        sessions_forget(s);
        strmap_deinit(&s->map);
        mem_free(s);
    }
}
