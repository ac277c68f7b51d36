/* Hashes, MACs and sealing by OpenSSL's EVP. */
#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16

void crypto_random(void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        ASSERT(got > 0);
        p += got;
        n -= (size_t)got;
    }
}

void crypto_sha256(struct slice data, uint8_t out[SHA256_BYTES])
{
    (void)SHA256((const unsigned char *)data.p, data.n, out);
}

void crypto_hmac_sha256(const void *key, size_t key_n, struct slice data, uint8_t out[SHA256_BYTES])
{
    unsigned int n = SHA256_BYTES;
    const unsigned char *ok =
        HMAC(EVP_sha256(), key, (int)key_n, (const unsigned char *)data.p, data.n, out, &n);

    ASSERT(ok != NULL && n == SHA256_BYTES);
}

void crypto_derive(const uint8_t master[MASTER_KEY_BYTES], const char *label, uint8_t out[32])
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    size_t n = 32;
    bool ok =
        c != NULL && EVP_PKEY_derive_init(c) > 0 && EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) > 0 &&
        EVP_PKEY_CTX_set1_hkdf_key(c, master, MASTER_KEY_BYTES) > 0 &&
        EVP_PKEY_CTX_add1_hkdf_info(c, (const unsigned char *)label, (int)strlen(label)) > 0 &&
        EVP_PKEY_derive(c, out, &n) > 0;

    ASSERT(ok && n == 32);
    EVP_PKEY_CTX_free(c);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void crypto_seal(const uint8_t key[32], struct slice aad, struct slice plain, struct buf *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char *at = (unsigned char *)buf_reserve(out, plain.n + SEAL_OVERHEAD_BYTES);
    int n = 0, done = 0;
    bool ok;

    if (at == NULL) {
        EVP_CIPHER_CTX_free(c);
        return; /* out->full tells. */
    }
    crypto_random(at, NONCE_BYTES);
    ok = c != NULL && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, at) > 0 &&
         EVP_EncryptUpdate(c, NULL, &n, (const unsigned char *)aad.p, (int)aad.n) > 0 &&
         EVP_EncryptUpdate(c, at + NONCE_BYTES, &done, (const unsigned char *)plain.p,
                           (int)plain.n) > 0 &&
         EVP_EncryptFinal_ex(c, at + NONCE_BYTES + done, &n) > 0 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, at + NONCE_BYTES + plain.n) > 0;
    ASSERT(ok);
    EVP_CIPHER_CTX_free(c);
    out->n += plain.n + SEAL_OVERHEAD_BYTES;
}

int crypto_open(const uint8_t key[32], struct slice aad, struct slice sealed, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)sealed.p;
    unsigned char tag[TAG_BYTES], *at;
    size_t plain_n;
    EVP_CIPHER_CTX *c;
    int n = 0, done = 0;
    bool ok;

    if (sealed.n < SEAL_OVERHEAD_BYTES || sealed.n > INT32_MAX) {
        return Q_EPERM;
    }
    plain_n = sealed.n - SEAL_OVERHEAD_BYTES;
    at = (unsigned char *)buf_reserve(out, plain_n + 1);
    if (at == NULL) {
        return Q_ETOOBIG;
    }
    memcpy(tag, p + NONCE_BYTES + plain_n, TAG_BYTES);
    c = EVP_CIPHER_CTX_new();
    ok = c != NULL && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, p) > 0 &&
         EVP_DecryptUpdate(c, NULL, &n, (const unsigned char *)aad.p, (int)aad.n) > 0 &&
         EVP_DecryptUpdate(c, at, &done, p + NONCE_BYTES, (int)plain_n) > 0 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) > 0 &&
         EVP_DecryptFinal_ex(c, at + done, &n) > 0;
    EVP_CIPHER_CTX_free(c);
    if (!ok) {
        mem_wipe(at, plain_n);
        return Q_EPERM;
    }
    out->n += plain_n;
    return 0;
}
