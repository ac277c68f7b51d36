/* A node's configuration (CONTRACT.md): YAML, checked as a whole before anything is opened. Unknown
 * keys, bad values and unreadable files are refused with file, line and what was expected. */
#ifndef NODE_CONFIG_H_
#define NODE_CONFIG_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "raft/consensus.h"

#define CONFIG_JOIN_MAX 15

struct config {
    struct arena arena; /* Of all strings. */
    const char *name, *region, *data_dir;
    const char *listen_gateway, *listen_admin, *listen_peer;
    const char *advertise_gateway, *advertise_peer;
    const char *tls_cert, *tls_key; /* NULL: the gateway speaks plain HTTP. */
    const char *peer_ca, *peer_cert, *peer_key;
    bool bootstrap;
    const char *join[CONFIG_JOIN_MAX];
    size_t n_join;
    const char *admin_token_file, *master_key_file;
    const char *secrets_env_prefix, *secrets_dir; /* NULL: defaults. */
    unsigned workers;
    enum consensus_preset preset;
    uint64_t body_bytes_max, drain_ms, stale_ms;
    enum log_level log_level;
};

/* Relative file names are relative to the folder of @file. */
int config_load(const char *file, struct config *ret, struct errmsg *err);
void config_deinit(struct config *c);
/* 32 bytes, raw or as 64 hexadecimal digits. */
int config_read_key(const char *file, uint8_t key[32], struct errmsg *err);

#endif /* NODE_CONFIG_H_ */
