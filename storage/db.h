/* RocksDB ends here: the synced database `consensus` (raft log, meta, snapshots, journal) and the
 * storage thread that writes it by group commit.
 *
 * db_write(): any thread hands over a batch; the storage thread joins all that wait into one
 * RocksDB write with one fsync, then mails each
 * writer its completion, in the order of submission. A failed write or sync is fatal:
 * db_cfg.on_fatal is called on the storage thread (it must not return), nothing is ever retried.
 * Reads (db_get, db_iter_...) block: at start-up on any thread, later only on the storage thread by
 * db_run(). */
#ifndef STORAGE_DB_H_
#define STORAGE_DB_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net/mailbox.h"
#include "base/slice.h"

enum db_cf { DB_CF_META, DB_CF_LOG, DB_CF_SNAPSHOT, DB_CF_JOURNAL, DB_CF_N_ };

struct db;
struct db_cfg {
    const char *dir; /* Created when missing; locked: a second process gets Q_EBUSY. */
    void (*on_fatal)(const char *why); /* Must not return. */
};
/* Q_EIO / Q_ECORRUPT with file and reason. Starts the storage thread. */
int db_open(const struct db_cfg *cfg, struct db **ret, struct errmsg *err);
/* Completes what was submitted, joins the thread, closes. Mailboxes of writers must still be open.
 */
void db_close(struct db *db);

struct batch;
struct batch *batch_new(void);
void batch_free(struct batch *b); /* NULL is fine. */
void batch_put(struct batch *b, enum db_cf cf, struct slice key, struct slice value);
void batch_delete(struct batch *b, enum db_cf cf, struct slice key);
void batch_delete_range(struct batch *b, enum db_cf cf, struct slice from,
                        struct slice to); /* [from, to) */
size_t batch_count(const struct batch *b);

struct db_write {
    struct letter letter;           /* Internal. */
    struct batch *batch;            /* Taken; freed by storage. */
    struct mailbox *reply;          /* Where the completion goes. */
    void (*cb)(struct db_write *w); /* Durable. On @reply's loop. @w is the caller's again. */
    struct db_write *next;          /* Internal. */
};
void db_write(struct db *db, struct db_write *w); /* Thread: any. */

/* Runs @run on the storage thread (may read and write nothing but by db_get/db_iter), then mails
 * @done. In order with db_write(). */
struct db_run {
    struct letter letter;
    void (*run)(struct db_run *r, struct db *db);
    void (*done)(struct db_run *r); /* On @reply's loop. */
    struct mailbox *reply;
    struct db_run *next;
};
void db_run(struct db *db, struct db_run *r);

/* Q_ENOTFOUND when absent. Appends the value to @out. */
int db_get(struct db *db, enum db_cf cf, struct slice key, struct buf *out, struct errmsg *err);
/* Ascending from @from while the callback returns true. Checksums are verified; Q_ECORRUPT names
 * the place. */
int db_scan(struct db *db, enum db_cf cf, struct slice from,
            bool (*each)(void *arg, struct slice key, struct slice value), void *arg,
            struct errmsg *err);
/* Free bytes of the file system that holds the data. */
uint64_t db_free_bytes(struct db *db);

#endif /* STORAGE_DB_H_ */
