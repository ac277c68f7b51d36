/* Virtual keys: "qk-<public id>-<secret><crc32>". The secret part is 32 base62 characters (190
 * bits), the checksum six; garbage is refused by it before any lookup.
 * Unknown, revoked and wrong keys cost the same: one HMAC and one constant-time comparison each. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "node/gov/view_i.h"

#define KEY_ID_CHARS     10
#define KEY_SECRET_CHARS 32
#define KEY_CRC_CHARS    6
#define KEY_PREFIX       "qk-"

void gov_key_id_make(char id[16])
{
    base62_random(id, KEY_ID_CHARS);
}

static void keyring_mac(const uint8_t pepper[32], struct slice id, struct slice secret,
                        uint8_t mac[32])
{
    char text[NAME_BYTES_MAX + KEY_SECRET_CHARS + 2];
    size_t n = (size_t)snprintf(text, sizeof text, "%.*s:%.*s", SLICE_FMT(id), SLICE_FMT(secret));

    crypto_hmac_sha256(pepper, 32, slice_of(text, n), mac);
    mem_wipe(text, sizeof text);
}

void gov_key_make(const uint8_t pepper[32], const char *id, char *text, uint8_t mac[32])
{
    char secret[KEY_SECRET_CHARS + 1], crc[KEY_CRC_CHARS + 1];
    int n;

    base62_random(secret, KEY_SECRET_CHARS);
    n = snprintf(text, 96, KEY_PREFIX "%s-%s", id, secret);
    ASSERT(n > 0 && n + KEY_CRC_CHARS < 96);
    base62_u32(crypto_crc32(slice_of(text, (size_t)n)), crc);
    memcpy(text + n, crc, KEY_CRC_CHARS + 1);
    keyring_mac(pepper, slice_str(id), slice_str(secret), mac);
    mem_wipe(secret, sizeof secret);
}

/* Cuts and checks the form; false when it is not one of ours. */
static bool keyring_cut(struct slice text, struct slice *ret_id, struct slice *ret_secret)
{
    char crc[KEY_CRC_CHARS + 1];
    size_t head, dash;

    if (!slice_starts(text, SLICE(KEY_PREFIX)) || text.n > 95 ||
        text.n < sizeof KEY_PREFIX - 1 + 1 + 1 + KEY_SECRET_CHARS + KEY_CRC_CHARS) {
        return false;
    }
    head = text.n - KEY_CRC_CHARS;
    dash = head - KEY_SECRET_CHARS - 1;
    if (text.p[dash] != '-') {
        return false;
    }
    base62_u32(crypto_crc32(slice_of(text.p, head)), crc);
    if (memcmp(crc, text.p + head, KEY_CRC_CHARS) != 0) {
        return false;
    }
    *ret_id = slice_of(text.p + sizeof KEY_PREFIX - 1, dash - (sizeof KEY_PREFIX - 1));
    *ret_secret = slice_of(text.p + dash + 1, KEY_SECRET_CHARS);
    return true;
}

/* Only to who presents the right secret is anything told but "unknown". */
static enum key_verdict keyring_verdict(const struct view_key *k, bool current, bool old,
                                        int64_t now_ms)
{
    if (!current && !(old && now_ms < k->spec.old_until_ms)) {
        return old ? KEY_REVOKED : KEY_UNKNOWN;
    }
    if (k->spec.revoked) {
        return KEY_REVOKED;
    }
    if (k->spec.disabled) {
        return KEY_DISABLED;
    }
    if (k->spec.expires_ms != 0 && now_ms >= k->spec.expires_ms) {
        return KEY_EXPIRED;
    }
    if (k->team != NULL && k->team->blocked) {
        return KEY_TEAM_BLOCKED;
    }
    return KEY_OK;
}

enum key_verdict view_key_check(const struct view *v, struct slice presented, int64_t now_ms,
                                const struct view_key **ret)
{
    static const uint8_t nobody[32];
    struct slice id, secret;
    const struct view_key *k;
    enum key_verdict verdict;
    uint8_t mac[32];
    bool current, old;

    if (!keyring_cut(presented, &id, &secret)) {
        return KEY_MALFORMED;
    }
    k = view_key_find(v, id);
    keyring_mac(v->pepper, id, secret, mac);
    current = crypto_equal(mac, k != NULL ? k->spec.mac : nobody, sizeof mac);
    old = crypto_equal(mac, k != NULL ? k->spec.old_mac : nobody, sizeof mac);
    mem_wipe(mac, sizeof mac);
    if (k == NULL) {
        return KEY_UNKNOWN;
    }
    verdict = keyring_verdict(k, current, old && k->spec.old_until_ms != 0, now_ms);
    if (verdict == KEY_OK) {
        *ret = k;
    }
    return verdict;
}

bool view_key_allows_model(const struct view_key *k, struct slice model)
{
    for (size_t i = 0; i < k->spec.n_models; i++) {
        if (slice_glob(k->spec.models[i], model)) {
            return true;
        }
    }
    return k->spec.n_models == 0;
}
