/* The database and its thread.
 *
 * When it goes well: writers push, the thread takes all that wait, writes them as one RocksDB batch
 * with one sync, and mails each completion in order. When it does not: the first failed write is
 * the last:
 * on_fatal ends the process; what was acknowledged is on disk, the rest was never acknowledged. */
#include "storage/db.h"

#include <errno.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/batch.h"

#define DB_SYNC_BYTES_MAX (16u << 20) /* Of batches joined into one write. */

static const char *const db_cf_names[DB_CF_N_] = {"default", "raft_log", "snapshots", "journal"};

struct db {
    struct db_cfg cfg;
    char *dir;
    rocksdb_t *rocks;
    rocksdb_options_t *options;
    rocksdb_options_t *cf_options[DB_CF_N_];
    rocksdb_column_family_handle_t *cf[DB_CF_N_];
    rocksdb_writeoptions_t *sync;
    rocksdb_readoptions_t *verify;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct letter *first, **last; /* Waiting work, in order. */
    bool stop;
};

/* --- opening --- */

static void db_options(struct db *db)
{
    db->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(db->options, 1);
    rocksdb_options_set_create_missing_column_families(db->options, 1);
    /* The default drops acknowledged entries silently after damage in the middle of the log. */
    rocksdb_options_set_wal_recovery_mode(db->options, 0);
    rocksdb_options_set_max_background_jobs(db->options, 2);
    rocksdb_options_set_max_total_wal_size(db->options, 128u << 20);
    rocksdb_options_set_keep_log_file_num(db->options, 2);
    rocksdb_options_set_paranoid_checks(db->options, 1);
    rocksdb_options_set_info_log_level(db->options, 3);
    for (int i = 0; i < DB_CF_N_; i++) {
        db->cf_options[i] = rocksdb_options_create();
        rocksdb_options_set_write_buffer_size(db->cf_options[i],
                                              i == DB_CF_LOG ? 32u << 20 : 16u << 20);
        rocksdb_options_set_compression(
            db->cf_options[i], i == DB_CF_LOG ? rocksdb_no_compression : rocksdb_lz4_compression);
    }
    db->sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(db->sync, 1);
    db->verify = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(db->verify, 1);
}

static void db_free(struct db *db)
{
    rocksdb_options_destroy(db->options);
    for (int i = 0; i < DB_CF_N_; i++) {
        rocksdb_options_destroy(db->cf_options[i]);
    }
    rocksdb_writeoptions_destroy(db->sync);
    rocksdb_readoptions_destroy(db->verify);
    (void)pthread_mutex_destroy(&db->mutex);
    (void)pthread_cond_destroy(&db->wake);
    mem_free(db->dir);
    mem_free(db);
}

static int db_open_rocks(struct db *db, struct errmsg *err)
{
    char *why = NULL;

    if (mkdir(db->dir, 0700) != 0 && errno != EEXIST) {
        errmsg_set(err, "data folder %s: %s", db->dir, strerror(errno));
        return err_from_errno(errno);
    }
    db->rocks = rocksdb_open_column_families(db->options, db->dir, DB_CF_N_, db_cf_names,
                                             (const rocksdb_options_t *const *)db->cf_options,
                                             db->cf, &why);
    if (why != NULL) {
        bool locked = strstr(why, "lock") != NULL;
        bool damaged = strstr(why, "Corruption") != NULL;
        errmsg_set(err,
                   locked ? "data folder %s: another process uses it (%s)"
                          : "data folder %s cannot be opened: %s",
                   db->dir, why);
        rocksdb_free(why);
        return locked ? Q_EBUSY : damaged ? Q_ECORRUPT : Q_EIO;
    }
    return 0;
}

static void *db_thread(void *arg);

int db_open(const struct db_cfg *cfg, struct db **ret, struct errmsg *err)
{
    struct db *db = mem_zalloc(sizeof *db);
    int rv;

    db->cfg = *cfg;
    db->dir = mem_strdup(cfg->dir);
    db->last = &db->first;
    (void)pthread_mutex_init(&db->mutex, NULL);
    (void)pthread_cond_init(&db->wake, NULL);
    db_options(db);
    rv = db_open_rocks(db, err);
    if (rv != 0) {
        db_free(db);
        return rv;
    }
    ASSERT(pthread_create(&db->thread, NULL, db_thread, db) == 0);
    *ret = db;
    return 0;
}

void db_close(struct db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    db->stop = true;
    (void)pthread_cond_signal(&db->wake);
    (void)pthread_mutex_unlock(&db->mutex);
    (void)pthread_join(db->thread, NULL);
    for (int i = 0; i < DB_CF_N_; i++) {
        rocksdb_column_family_handle_destroy(db->cf[i]);
    }
    rocksdb_close(db->rocks);
    db_free(db);
}

/* --- the thread --- */

static void db_write_deliver(struct letter *l)
{
    struct db_write *w = CONTAINER_OF(l, struct db_write, letter);

    w->cb(w);
}

static void db_run_deliver(struct letter *l)
{
    struct db_run *r = CONTAINER_OF(l, struct db_run, letter);

    r->done(r);
}

static void db_push(struct db *db, struct letter *l)
{
    bool was_empty;

    l->next = NULL;
    (void)pthread_mutex_lock(&db->mutex);
    was_empty = db->first == NULL;
    *db->last = l;
    db->last = &l->next;
    if (was_empty) {
        (void)pthread_cond_signal(&db->wake);
    }
    (void)pthread_mutex_unlock(&db->mutex);
}

void db_write(struct db *db, struct db_write *w)
{
    w->letter.deliver = db_write_deliver;
    db_push(db, &w->letter);
}

void db_run(struct db *db, struct db_run *r)
{
    r->letter.deliver = db_run_deliver;
    db_push(db, &r->letter);
}

static void db_replay(struct db *db, const struct batch *b, rocksdb_writebatch_t *to)
{
    struct batch_op op;

    for (size_t at = 0; batch_next(b, &at, &op);) {
        rocksdb_column_family_handle_t *cf = db->cf[op.cf];
        switch (op.kind) {
        case BATCH_PUT:
            rocksdb_writebatch_put_cf(to, cf, op.key.p, op.key.n, op.value.p, op.value.n);
            break;
        case BATCH_DELETE:
            rocksdb_writebatch_delete_cf(to, cf, op.key.p, op.key.n);
            break;
        case BATCH_DELETE_RANGE:
            rocksdb_writebatch_delete_range_cf(to, cf, op.key.p, op.key.n, op.value.p, op.value.n);
            break;
        }
    }
}

/* Joins the writes at the head of the list into one; gives the first that did not fit or is no
 * write. */
static struct letter *db_write_group(struct db *db, struct letter *first)
{
    rocksdb_writebatch_t *joined = rocksdb_writebatch_create();
    struct letter *l = first, *end;
    size_t bytes = 0;
    char *why = NULL;

    while (l != NULL && l->deliver == db_write_deliver && bytes < DB_SYNC_BYTES_MAX) {
        struct db_write *w = CONTAINER_OF(l, struct db_write, letter);
        db_replay(db, w->batch, joined);
        bytes += batch_bytes(w->batch);
        metric_add(METRIC_storage_ops_total, (int64_t)batch_count(w->batch));
        batch_free(w->batch);
        w->batch = NULL;
        l = l->next;
    }
    end = l;
    if (rocksdb_writebatch_count(joined) > 0) {
        rocksdb_write(db->rocks, db->sync, joined, &why);
        metric_inc(METRIC_storage_syncs_total);
    }
    rocksdb_writebatch_destroy(joined);
    if (why != NULL) { /* What the disk has is unknown now: never retried. */
        char text[512];
        (void)snprintf(text, sizeof text, "write to %s failed: %s", db->dir, why);
        db->cfg.on_fatal(text);
        abort();
    }
    for (l = first; l != end;) {
        struct db_write *w = CONTAINER_OF(l, struct db_write, letter);
        l = l->next; /* The mailbox uses the same link. */
        mailbox_send(w->reply, &w->letter);
    }
    return end;
}

static void *db_thread(void *arg)
{
    struct db *db = arg;

    for (;;) {
        struct letter *l;
        (void)pthread_mutex_lock(&db->mutex);
        while (db->first == NULL && !db->stop) {
            (void)pthread_cond_wait(&db->wake, &db->mutex);
        }
        l = db->first;
        db->first = NULL;
        db->last = &db->first;
        (void)pthread_mutex_unlock(&db->mutex);
        if (l == NULL) {
            return NULL; /* Stopped, and nothing is left. */
        }
        while (l != NULL) {
            if (l->deliver == db_write_deliver) {
                l = db_write_group(db, l);
            } else {
                struct db_run *r = CONTAINER_OF(l, struct db_run, letter);
                l = l->next;
                r->run(r, db);
                mailbox_send(r->reply, &r->letter);
            }
        }
    }
}

/* --- reading --- */

static int db_read_failed(struct db *db, char *why, struct errmsg *err)
{
    bool damaged = strstr(why, "orruption") != NULL;

    errmsg_set(err, "%s: %s", db->dir, why);
    rocksdb_free(why);
    return damaged ? Q_ECORRUPT : Q_EIO;
}

int db_get(struct db *db, enum db_cf cf, struct slice key, struct buf *out, struct errmsg *err)
{
    char *why = NULL;
    size_t n = 0;
    char *value = rocksdb_get_cf(db->rocks, db->verify, db->cf[cf], key.p, key.n, &n, &why);

    if (why != NULL) {
        return db_read_failed(db, why, err);
    }
    if (value == NULL) {
        return Q_ENOTFOUND;
    }
    buf_add(out, value, n);
    rocksdb_free(value);
    return out->full ? Q_ETOOBIG : 0;
}

int db_scan(struct db *db, enum db_cf cf, struct slice from,
            bool (*each)(void *arg, struct slice key, struct slice value), void *arg,
            struct errmsg *err)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(db->rocks, db->verify, db->cf[cf]);
    char *why = NULL;
    bool more = true;

    for (rocksdb_iter_seek(it, from.n > 0 ? from.p : "", from.n);
         more && rocksdb_iter_valid(it) != 0; rocksdb_iter_next(it)) {
        struct slice key, value;
        key.p = rocksdb_iter_key(it, &key.n);
        value.p = rocksdb_iter_value(it, &value.n);
        more = each(arg, key, value);
    }
    rocksdb_iter_get_error(it, &why);
    rocksdb_iter_destroy(it);
    return why != NULL ? db_read_failed(db, why, err) : 0;
}

uint64_t db_free_bytes(struct db *db)
{
    struct statvfs v;

    return statvfs(db->dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}
