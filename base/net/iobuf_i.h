/* The buffers that all streams of a loop share: each is full only for the length of one
 * callback. */
#ifndef BASE_NET_IOBUF_I_H_
#define BASE_NET_IOBUF_I_H_

#include <stddef.h>

#include "base/buf.h"
#include "base/chunkq.h"

#define IOBUF_CIPHER_IN_BYTES 65536
#define IOBUF_GATHER_BYTES    16384 /* The plain text of one TLS record. */

struct loop;

struct iobuf {
    char cipher_in[IOBUF_CIPHER_IN_BYTES]; /* One read of a TLS socket. */
    struct buf cipher_out;                 /* Records on their way to the kernel. */
    char gather[IOBUF_GATHER_BYTES];       /* Small chunks on their way into one record. */
    struct block *block; /* Reads of all streams land here one after another, until it is full. */
    size_t block_at;     /* The first free byte. */
};

struct iobuf *iobuf_get(struct loop *l);
void iobuf_free(struct iobuf *io);
/* Space for plain text in io->block. */
char *iobuf_space(struct iobuf *io, size_t *ret_n);
/* @n bytes of it were used. */
void iobuf_commit(struct iobuf *io, size_t n);

#endif /* BASE_NET_IOBUF_I_H_ */
