/* quorated: reads the configuration, starts the parts in order, stops them in order.
 *
 *   start: journal and log are read -> consensus -> workers listen        a part that cannot start
 *   ends the process with a sentence and exit code 1
 *   stop (SIGTERM, SIGINT): workers drain -> credit is given back to the ledger -> leadership is
 *   handed over -> the disk is closed */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net/signals.h"
#include "node/node.h"

#define RELEASE_MS 3000

static struct node the_node;

/* --- what consensus tells, on the raft loop --- */

static void node_on_applied(void *arg)
{
    gov_on_applied(((struct node *)arg)->gov);
}

static void node_on_leader(void *arg, const struct member *leader, bool is_me)
{
    (void)is_me;
    gov_on_leader(((struct node *)arg)->gov, leader != NULL);
}

static void node_on_sync_reply(void *arg, const struct sync_reply *r)
{
    gov_on_sync_reply(((struct node *)arg)->gov, r);
}

static void node_on_recall(void *arg, const struct sync_recall *r)
{
    gov_on_recall(((struct node *)arg)->gov, r);
}

static void node_on_fatal(void *arg, const char *why)
{
    (void)arg;
    LOG_ERROR("this node must stop", LOG_STR("why", why));
    _exit(1);
}

static void node_on_disk_fatal(const char *why)
{
    LOG_ERROR("the disk has failed: this node must stop", LOG_STR("why", why));
    _exit(1);
}

static const struct consensus_hooks node_hooks = {.applied = node_on_applied,
                                                  .leader = node_on_leader,
                                                  .sync_reply = node_on_sync_reply,
                                                  .recall = node_on_recall,
                                                  .fatal = node_on_fatal};

/* --- stop --- */

static void node_on_consensus_stopped(void *arg)
{
    struct node *n = arg;

    loop_stop(n->loop);
}

static void node_on_released(void *arg)
{
    struct node *n = arg;

    consensus_stop(n->consensus, node_on_consensus_stopped, n);
}

void node_worker_done(struct node *n)
{
    if (--n->workers_left == 0) {
        gov_release(n->gov, RELEASE_MS, node_on_released, n);
    }
}

static void node_stop(struct node *n)
{
    if (n->stopping) {
        LOG_WARN("stopping at once");
        _exit(1);
    }
    n->stopping = true;
    atomic_store(&n->draining, true);
    LOG_INFO("draining");
    n->workers_left = n->n_workers;
    for (unsigned i = 0; i < n->n_workers; i++) {
        worker_stop(&n->workers[i]);
    }
}

/* SIGHUP: certificates and log level. */
static int node_tls(const struct config *c, struct tls_ctx **ret, struct errmsg *err)
{
    const struct tls_ctx_cfg cfg = {
        .server = true, .cert_file = c->tls_cert, .key_file = c->tls_key, .alpn = "h2,http/1.1"};

    *ret = NULL;
    return c->tls_cert != NULL ? tls_ctx_new(&cfg, ret, err) : 0;
}

static void node_reload(struct node *n)
{
    struct errmsg err = {{0}};
    struct tls_ctx *tls = NULL;

    if (node_tls(&n->cfg, &tls, &err) != 0 || consensus_reload_tls(n->consensus, &err) != 0) {
        LOG_ERROR("reload: the old certificates stay", LOG_STR("why", err.text));
        tls_ctx_unref(tls);
        return;
    }
    for (unsigned i = 0; tls != NULL && i < n->n_workers; i++) {
        worker_set_tls(&n->workers[i], tls);
    }
    tls_ctx_unref(n->tls);
    n->tls = tls;
    LOG_INFO("certificates are read again");
}

static void node_on_signal(void *arg, int signo)
{
    struct node *n = arg;

    if (signo == SIGHUP) {
        node_reload(n);
    } else {
        node_stop(n);
    }
}

/* --- start --- */

static int node_start_consensus(struct node *n, const uint8_t master[32], struct errmsg *err)
{
    const struct config *c = &n->cfg;
    struct consensus_cfg cfg = {.loop = n->loop,
                                .db = n->db,
                                .name = c->name,
                                .region = c->region,
                                .version = NODE_VERSION,
                                .peer_listen = c->listen_peer,
                                .peer_advertise = c->advertise_peer,
                                .gateway_advertise = c->advertise_gateway,
                                .ca_file = c->peer_ca,
                                .cert_file = c->peer_cert,
                                .key_file = c->peer_key,
                                .bootstrap = c->bootstrap,
                                .join = c->join,
                                .n_join = c->n_join,
                                .preset = c->preset,
                                .hooks = &node_hooks,
                                .hooks_arg = n};

    crypto_derive(master, "quorate master key check v1", cfg.key_check);
    return consensus_start(&cfg, &n->consensus, err);
}

static int node_start(struct node *n, struct errmsg *err)
{
    const struct db_cfg db = {.dir = n->cfg.data_dir, .on_fatal = node_on_disk_fatal};
    struct gov_cfg gov = {.name = n->cfg.name,
                          .env_prefix = n->cfg.secrets_env_prefix,
                          .secrets_dir = n->cfg.secrets_dir,
                          .stale_ms = n->cfg.stale_ms};
    uint8_t master[32];
    int rv = config_read_key(n->cfg.master_key_file, master, err);

    rv = rv != 0 ? rv : node_tls(&n->cfg, &n->tls, err);
    rv = rv != 0 ? rv : db_open(&db, &n->db, err);
    if (rv != 0) {
        return rv;
    }
    n->loop = loop_new(clock_system());
    n->mailbox = mailbox_new(n->loop);
    gov.loop = n->loop;
    gov.db = n->db;
    gov.master_key = master;
    rv = gov_new(&gov, &n->gov, err);
    rv = rv != 0 ? rv : node_start_consensus(n, master, err);
    mem_wipe(master, sizeof master);
    if (rv != 0) {
        return rv;
    }
    gov_attach(n->gov, n->consensus);
    n->n_workers = n->cfg.workers > 0 ? n->cfg.workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    n->workers = mem_zalloc(n->n_workers * sizeof *n->workers);
    for (unsigned i = 0; i < n->n_workers && rv == 0; i++) {
        rv = worker_start(&n->workers[i], n, i, err);
    }
    return rv;
}

static int node_usage(FILE *out, int code)
{
    (void)fprintf(out, "quorated " NODE_VERSION "\n"
                       "usage: quorated --config FILE [--check]\n"
                       "  --config FILE   the node's configuration (YAML)\n"
                       "  --check         check the configuration and end\n"
                       "  --version       print the version and end\n");
    return code;
}

static int node_run(struct node *n)
{
    struct errmsg err = {{0}};
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
    struct rlimit files;

    (void)prctl(PR_SET_DUMPABLE, 0); /* Credentials are in memory: no core files. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    log_setup(n->cfg.log_level, n->cfg.name);
    if (node_start(n, &err) != 0) {
        LOG_ERROR("cannot start", LOG_STR("why", err.text));
        (void)fprintf(stderr, "quorated: %s\n", err.text);
        return 1;
    }
    signals_start(n->loop, signals, node_on_signal, n);
    LOG_INFO("started", LOG_STR("version", NODE_VERSION), LOG_STR("gateway", n->cfg.listen_gateway),
             LOG_STR("admin", n->cfg.listen_admin), LOG_STR("peer", n->cfg.listen_peer),
             LOG_U64("workers", n->n_workers));
    loop_run(n->loop);
    for (unsigned i = 0; i < n->n_workers; i++) {
        worker_join(&n->workers[i]);
    }
    db_close(n->db);
    LOG_INFO("stopped");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    struct errmsg err = {{0}};
    bool check = false;
    int o;

    while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            file = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'v':
            (void)printf("quorated %s\n", NODE_VERSION);
            return 0;
        case 'h':
            return node_usage(stdout, 0);
        default:
            return node_usage(stderr, 2);
        }
    }
    if (file == NULL || optind < argc) {
        return node_usage(stderr, 2);
    }
    if (config_load(file, &the_node.cfg, &err) != 0) {
        (void)fprintf(stderr, "quorated: %s\n", err.text);
        return 1;
    }
    if (check) {
        (void)printf("%s: ok\n", file);
        return 0;
    }
    return node_run(&the_node);
}
