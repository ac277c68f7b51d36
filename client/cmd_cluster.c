/* cluster status, snapshot save and restore. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "client/cli.h"
#include "client/output.h"

#define SNAPSHOT_BYTES_MAX (1u << 30)

static const struct table_column cluster_columns[] = {
    {"name", "NAME", false},
    {"role", "ROLE", false},
    {"region", "REGION", false},
    {"gateway", "GATEWAY", false},
    {"peer", "PEER", false},
    {"version", "VERSION", false},
    {"match_index", "MATCH", true},
    {"heard_ms", "HEARD MS", true},
    {"incarnation", "INCARNATION", true},
    {"fenced", "FENCED", false},
};

int cmd_cluster_status(struct cli *cli)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int rc = cli_get(cli, "/admin/v1/cluster", &doc);

    if (rc) {
        return rc;
    }
    root = yyjson_doc_get_root(doc);
    if (cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, root);
    } else {
        const char *leader = cli_text(root, "leader", "");
        (void)printf("leader %s, term %s\n\n", leader[0] ? leader : "none",
                     cli_text(root, "term", "-"));
        cli_show(cli, yyjson_obj_get(root, "members"), cluster_columns, ARRAY_LEN(cluster_columns));
    }
    yyjson_doc_free(doc);
    return CLI_OK;
}

/* Fetches into the open @f; 0 when all of it is on disk. */
static int snapshot_fetch(struct cli *cli, FILE *f, const char *name)
{
    struct http_call c = {.method = "GET", .path = "/admin/v1/snapshot", .sink = f};
    struct errmsg err = {0};
    int rc = http_call(&cli->http, &c, &err);

    if (rc) {
        rc = cli_fail_err(rc, &err);
    } else if (c.status != 200) {
        rc = cli_fail_reply(&c);
    } else if (fflush(f) != 0 || fsync(fileno(f)) != 0) {
        rc = cli_fail(CLI_REFUSED, "%s: %s", name, strerror(errno));
    }
    http_call_deinit(&c);
    return rc;
}

/* Under a name of its own first: FILE is a whole snapshot or what it was before. */
int cmd_snapshot_save(struct cli *cli)
{
    const char *name = cli->args.words[0];
    char part[CLI_PATH_BYTES_MAX];
    struct stat st;
    FILE *f = NULL;
    int fd;
    int rc;

    if ((size_t)snprintf(part, sizeof(part), "%s.part", name) >= sizeof(part)) {
        return cli_fail(CLI_USAGE, "the file name is too long");
    }
    /* It holds key digests and prices: for its owner only. */
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        f = fdopen(fd, "w");
    }
    if (!f) {
        return cli_fail(CLI_REFUSED, "%s: %s", part, strerror(errno));
    }
    rc = snapshot_fetch(cli, f, part);
    if (rc == CLI_OK && fstat(fd, &st) == 0 && st.st_size == 0) {
        rc = cli_fail(CLI_REFUSED, "the node sent an empty snapshot");
    }
    (void)fclose(f);
    if (rc == CLI_OK && rename(part, name) != 0) {
        rc = cli_fail(CLI_REFUSED, "%s: %s", name, strerror(errno));
    }
    if (rc) {
        (void)unlink(part);
        return rc;
    }
    (void)printf("%s: saved, %lld bytes\n", name, (long long)st.st_size);
    return CLI_OK;
}

int cmd_snapshot_restore(struct cli *cli)
{
    const char *name = cli->args.words[0];
    struct http_call c = {
        .method = "POST", .path = "/admin/v1/restore", .content_type = "application/octet-stream"};
    struct errmsg err = {0};
    struct buf body;
    int rc = cli_read_file(name, SNAPSHOT_BYTES_MAX, &body);

    if (rc == CLI_OK && body.n == 0) {
        rc = cli_fail(CLI_REFUSED, "%s is empty", name);
    }
    if (rc == CLI_OK) {
        c.body = buf_slice(&body);
        rc = http_call(&cli->http, &c, &err);
        if (rc) {
            rc = cli_fail_err(rc, &err);
        } else if (c.status < 200 || c.status > 299) {
            rc = cli_fail_reply(&c);
        } else {
            (void)printf("%s: restored\n", name);
        }
    }
    http_call_deinit(&c);
    buf_deinit(&body);
    return rc;
}
