#include "base/net/iobuf_i.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/net/loop_i.h"
#include "base/net/stream.h"

/* What OpenSSL can write in one call: a flight of handshake messages with long certificate
 * chains. */
#define IOBUF_CIPHER_OUT_BYTES_MAX (4u << 20)
/* With less space left a block is given up: large bodies should not be read in crumbs. */
#define IOBUF_SPACE_BYTES_MIN (STREAM_READ_BYTES / 2)

struct iobuf *iobuf_get(struct loop *l)
{
    if (l->iobuf == NULL) {
        l->iobuf = mem_zalloc(sizeof *l->iobuf);
        buf_init(&l->iobuf->cipher_out, IOBUF_CIPHER_OUT_BYTES_MAX);
    }
    return l->iobuf;
}

void iobuf_free(struct iobuf *io)
{
    if (io == NULL) {
        return;
    }
    buf_deinit(&io->cipher_out);
    block_unref(io->block);
    mem_wipe(io->gather, sizeof io->gather);
    mem_free(io);
}

char *iobuf_space(struct iobuf *io, size_t *ret_n)
{
    if (io->block != NULL && io->block->refs == 1) {
        io->block_at = 0; /* Nobody kept anything of it. */
    } else if (io->block != NULL && io->block->cap - io->block_at < IOBUF_SPACE_BYTES_MIN) {
        block_unref(io->block);
        io->block = NULL;
    }
    if (io->block == NULL) {
        io->block = block_new(STREAM_READ_BYTES);
        io->block_at = 0;
    }
    *ret_n = io->block->cap - io->block_at;
    return io->block->data + io->block_at;
}

void iobuf_commit(struct iobuf *io, size_t n)
{
    ASSERT(io->block_at + n <= io->block->cap);
    io->block_at += n;
}
