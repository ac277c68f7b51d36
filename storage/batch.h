/* A batch as the writer fills it: a plain list of operations, so that filling it costs no RocksDB
 * call on the writer's thread. */
#ifndef STORAGE_BATCH_H_
#define STORAGE_BATCH_H_

#include "storage/db.h"

enum batch_op_kind { BATCH_PUT, BATCH_DELETE, BATCH_DELETE_RANGE };
struct batch_op {
    enum batch_op_kind kind;
    enum db_cf cf;
    struct slice key, value; /* value: of a put; the end of a range. */
};
/* Gives the operation at *@at and moves it on; false at the end. */
bool batch_next(const struct batch *b, size_t *at, struct batch_op *ret);
size_t batch_bytes(const struct batch *b);

#endif /* STORAGE_BATCH_H_ */
