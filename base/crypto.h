/* Hashes, MACs, sealing and encodings over OpenSSL. Thread: any. */
#ifndef BASE_CRYPTO_H_
#define BASE_CRYPTO_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define SHA256_BYTES        32
#define MASTER_KEY_BYTES    32
#define SEAL_OVERHEAD_BYTES 28 /* nonce 12 + tag 16 */

void crypto_random(void *out, size_t n); /* From the kernel; aborts when it cannot. */
void crypto_sha256(struct slice data, uint8_t out[SHA256_BYTES]);
void crypto_hmac_sha256(const void *key, size_t key_n, struct slice data,
                        uint8_t out[SHA256_BYTES]);
/* HKDF-SHA256 with @label as info: the pepper of key MACs, the sealing key, check values. */
void crypto_derive(const uint8_t master[MASTER_KEY_BYTES], const char *label, uint8_t out[32]);
bool crypto_equal(const void *a, const void *b, size_t n); /* Constant time. */
/* AES-256-GCM: nonce | ciphertext | tag appended to @out. @aad binds the place it is for. */
void crypto_seal(const uint8_t key[32], struct slice aad, struct slice plain, struct buf *out);
/* Q_EPERM when the key, the aad or the bytes are wrong. */
int crypto_open(const uint8_t key[32], struct slice aad, struct slice sealed, struct buf *out);

uint32_t crypto_crc32(struct slice data); /* IEEE, as zlib. */
uint32_t crypto_crc32c(uint32_t crc, const void *p, size_t n);
void hex_encode(const void *p, size_t n, char *out); /* 2n + 1 bytes. */
int hex_decode(struct slice text, void *out, size_t n);
/* Base62, big endian, fixed width, for key ids and secrets. */
void base62_random(char *out, size_t n_chars); /* Adds the final 0. */
void base62_u32(uint32_t v, char out[7]);      /* Six characters. */
void base64_encode(struct slice data, struct buf *out);
int base64_decode(struct slice text, struct buf *out);

#endif /* BASE_CRYPTO_H_ */
