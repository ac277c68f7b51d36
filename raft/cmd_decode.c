/* Decoding of commands: msgpack read by a cursor. msgpack-c's own decoder allocates whatever count
 * an array header names before a single element is there; here an array may not announce more
 * elements than bytes are left, and nothing is allocated for values. */
#include "base/check.h"
#include "base/limits.h"
#include "raft/cmd.h"

#define CMD_SKIP_DEPTH_MAX 16
#define CMD_AMOUNT_MAX     ((i128)1 << 100)

struct cmd_cursor {
    const uint8_t *p;
    size_t n;
    bool bad; /* Set once; everything read afterwards is 0 or empty. */
    struct arena *arena;
};

static uint64_t cmd_be(struct cmd_cursor *c, size_t n)
{
    uint64_t v = 0;

    if (c->bad || c->n < n) {
        c->bad = true;
        c->n = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | c->p[i];
    }
    c->p += n;
    c->n -= n;
    return v;
}

static const uint8_t *cmd_bytes(struct cmd_cursor *c, size_t n)
{
    const uint8_t *p = c->p;

    if (c->bad || c->n < n) {
        c->bad = true;
        c->n = 0;
        return (const uint8_t *)"";
    }
    c->p += n;
    c->n -= n;
    return p;
}

/* Any integer. Unsigned ones above INT64_MAX come with *@ret_big. */
static int64_t cmd_int(struct cmd_cursor *c, bool *ret_big)
{
    uint8_t t = (uint8_t)cmd_be(c, 1);
    uint64_t v;

    *ret_big = false;
    if (t < 0x80) {
        return t;
    }
    if (t >= 0xe0) {
        return (int8_t)t;
    }
    if (t >= 0xcc && t <= 0xcf) {
        v = cmd_be(c, (size_t)1 << (t - 0xcc));
        *ret_big = v > INT64_MAX;
        return (int64_t)v;
    }
    switch (t) {
    case 0xd0:
        return (int8_t)cmd_be(c, 1);
    case 0xd1:
        return (int16_t)cmd_be(c, 2);
    case 0xd2:
        return (int32_t)cmd_be(c, 4);
    case 0xd3:
        return (int64_t)cmd_be(c, 8);
    default:
        c->bad = true;
        return 0;
    }
}

static uint64_t cmd_u64(struct cmd_cursor *c)
{
    bool big;
    int64_t v = cmd_int(c, &big);

    if (v < 0 && !big) {
        c->bad = true;
        return 0;
    }
    return (uint64_t)v;
}

static uint32_t cmd_u32(struct cmd_cursor *c)
{
    uint64_t v = cmd_u64(c);

    if (v > UINT32_MAX) {
        c->bad = true;
        return 0;
    }
    return (uint32_t)v;
}

static int64_t cmd_i64(struct cmd_cursor *c)
{
    bool big;
    int64_t v = cmd_int(c, &big);

    c->bad = c->bad || big;
    return v;
}

static bool cmd_bool(struct cmd_cursor *c)
{
    uint8_t t = (uint8_t)cmd_be(c, 1);

    c->bad = c->bad || (t != 0xc2 && t != 0xc3);
    return t == 0xc3;
}

/* Length of a str (fixstr, d9..db) or bin (c4..c6). */
static size_t cmd_length(struct cmd_cursor *c, bool bin)
{
    uint8_t t = (uint8_t)cmd_be(c, 1);
    uint8_t base = bin ? 0xc4 : 0xd9;

    if (!bin && (t & 0xe0) == 0xa0) {
        return t & 0x1f;
    }
    if (t >= base && t <= base + 2) {
        return cmd_be(c, (size_t)1 << (t - base));
    }
    c->bad = true;
    return 0;
}

static struct slice cmd_text(struct cmd_cursor *c, size_t max)
{
    size_t n = cmd_length(c, false);

    if (n > max) {
        c->bad = true;
        return SLICE("");
    }
    return slice_of((const char *)cmd_bytes(c, n), c->bad ? 0 : n);
}

static void cmd_fixed(struct cmd_cursor *c, uint8_t *out, size_t n)
{
    if (cmd_length(c, true) != n) {
        c->bad = true;
    }
    if (!c->bad && c->n >= n) {
        memcpy(out, cmd_bytes(c, n), n);
    } else {
        c->bad = true;
    }
}

/* A number of account units: 0 to 2^100. */
static i128 cmd_amount(struct cmd_cursor *c)
{
    uint8_t bytes[16];
    unsigned __int128 v = 0;

    if (c->n > 0 && *c->p == 0xc4) {
        memset(bytes, 0, sizeof bytes);
        cmd_fixed(c, bytes, 16);
        for (size_t i = 16; i > 0; i--) {
            v = v << 8 | bytes[i - 1];
        }
    } else {
        v = cmd_u64(c);
    }
    if (v > (unsigned __int128)CMD_AMOUNT_MAX) {
        c->bad = true;
        return 0;
    }
    return (i128)v;
}

/* Number of elements: every element takes at least a byte. */
static size_t cmd_array(struct cmd_cursor *c, size_t at_least)
{
    uint8_t t = (uint8_t)cmd_be(c, 1);
    size_t n = 0;

    if ((t & 0xf0) == 0x90) {
        n = t & 0x0f;
    } else if (t == 0xdc) {
        n = cmd_be(c, 2);
    } else if (t == 0xdd) {
        n = cmd_be(c, 4);
    } else {
        c->bad = true;
    }
    if (n > c->n || n < at_least) {
        c->bad = true;
    }
    return c->bad ? 0 : n;
}

/* Steps over one value of any type: fields of a later version. */
static void cmd_skip(struct cmd_cursor *c, unsigned depth)
{
    uint8_t t;
    size_t n = 0;

    if (c->bad || c->n == 0 || depth > CMD_SKIP_DEPTH_MAX) {
        c->bad = true;
        return;
    }
    t = *c->p;
    if (t == 0xc0 || t == 0xc2 || t == 0xc3) {
        (void)cmd_be(c, 1);
    } else if ((t & 0xe0) == 0xa0 || (t >= 0xd9 && t <= 0xdb)) {
        (void)cmd_text(c, CMD_BYTES_MAX);
    } else if (t >= 0xc4 && t <= 0xc6) {
        (void)cmd_bytes(c, cmd_length(c, true));
    } else if ((t & 0xf0) == 0x90 || t == 0xdc || t == 0xdd) {
        for (n = cmd_array(c, 0); n > 0 && !c->bad; n--) {
            cmd_skip(c, depth + 1);
        }
    } else {
        bool big;
        (void)cmd_int(c, &big); /* Maps, floats and extensions are not used: bad. */
    }
}

/* The end of an array of @n elements of which we know @known. */
static void cmd_rest(struct cmd_cursor *c, size_t n, size_t known)
{
    for (; n > known && !c->bad; n--) {
        cmd_skip(c, 0);
    }
}

/* --- bodies --- */

static void cmd_read_resources(struct cmd_cursor *c, struct cmd *ret)
{
    size_t n = cmd_array(c, 0);

    ret->resources.ops = arena_zalloc(c->arena, (n + 1) * sizeof *ret->resources.ops);
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct cmd_resource_op *op = &ret->resources.ops[i];
        size_t fields = cmd_array(c, 5);
        uint32_t kind;
        op->is_delete = cmd_bool(c);
        kind = cmd_u32(c);
        c->bad = c->bad || kind >= KIND_N_;
        op->kind = c->bad ? KIND_PROVIDER : (enum kind)kind;
        op->name = cmd_text(c, NAME_BYTES_MAX);
        op->spec = cmd_text(c, SPEC_BYTES_MAX);
        op->expect_revision = cmd_i64(c);
        cmd_rest(c, fields, 5);
    }
    ret->resources.n = n;
}

static struct sync_cell *cmd_read_cells(struct cmd_cursor *c, size_t *ret_n)
{
    size_t n = cmd_array(c, 0);
    struct sync_cell *cells = arena_zalloc(c->arena, (n + 1) * sizeof *cells);

    c->bad = c->bad || n > SYNC_CELLS_MAX;
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct sync_cell *s = &cells[i];
        size_t fields = cmd_array(c, 13);
        s->worker = cmd_u32(c);
        s->hour = cmd_u32(c);
        s->dims.team = cmd_text(c, NAME_BYTES_MAX);
        s->dims.key = cmd_text(c, NAME_BYTES_MAX);
        s->dims.user = cmd_text(c, NAME_BYTES_MAX);
        s->dims.model = cmd_text(c, 2 * NAME_BYTES_MAX);
        s->dims.provider = cmd_text(c, NAME_BYTES_MAX);
        s->sums.requests = cmd_u64(c);
        s->sums.errors = cmd_u64(c);
        s->sums.input_tokens = cmd_u64(c);
        s->sums.cached_tokens = cmd_u64(c);
        s->sums.output_tokens = cmd_u64(c);
        s->sums.cost_pusd = cmd_amount(c);
        cmd_rest(c, fields, 13);
    }
    *ret_n = c->bad ? 0 : n;
    return cells;
}

static void cmd_read_sync(struct cmd_cursor *c, struct cmd_sync *s)
{
    size_t fields = cmd_array(c, 5), n;

    s->node = cmd_text(c, NAME_BYTES_MAX);
    s->inc = cmd_u32(c);
    s->seq = cmd_u64(c);
    n = cmd_array(c, 0);
    c->bad = c->bad || n > SYNC_ITEMS_MAX;
    n = c->bad ? 0 : n;
    s->items = arena_zalloc(c->arena, (n + 1) * sizeof *s->items);
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct cmd_sync_item *it = &s->items[i];
        size_t item_fields = cmd_array(c, 6);
        it->acct = cmd_u64(c);
        it->wid = cmd_u32(c);
        it->S = cmd_amount(c);
        it->R = cmd_amount(c);
        it->O = cmd_amount(c);
        it->g = cmd_amount(c);
        cmd_rest(c, item_fields, 6);
    }
    s->n_items = n;
    s->cells = cmd_read_cells(c, &s->n_cells);
    cmd_rest(c, fields, 5);
}

static void cmd_read_batch(struct cmd_cursor *c, struct cmd *ret)
{
    size_t fields = cmd_array(c, 2), n = cmd_array(c, 0);

    ret->batch.syncs = arena_zalloc(c->arena, (n + 1) * sizeof *ret->batch.syncs);
    ret->batch.n_syncs = n;
    for (size_t i = 0; i < n && !c->bad; i++) {
        cmd_read_sync(c, &ret->batch.syncs[i]);
    }
    n = cmd_array(c, 0);
    ret->batch.fence = arena_zalloc(c->arena, (n + 1) * sizeof *ret->batch.fence);
    ret->batch.n_fence = n;
    for (size_t i = 0; i < n && !c->bad; i++) {
        size_t fence_fields = cmd_array(c, 2);
        ret->batch.fence[i].node = cmd_text(c, NAME_BYTES_MAX);
        ret->batch.fence[i].inc = cmd_u32(c);
        cmd_rest(c, fence_fields, 2);
    }
    cmd_rest(c, fields, 2);
}

static struct cmd_final *cmd_read_finals(struct cmd_cursor *c, size_t *ret_n)
{
    size_t n = cmd_array(c, 0);
    struct cmd_final *finals = arena_zalloc(c->arena, (n + 1) * sizeof *finals);

    for (size_t i = 0; i < n && !c->bad; i++) {
        size_t fields = cmd_array(c, 3);
        finals[i].acct = cmd_u64(c);
        finals[i].wid = cmd_u32(c);
        finals[i].spent = cmd_amount(c);
        cmd_rest(c, fields, 3);
    }
    *ret_n = c->bad ? 0 : n;
    return finals;
}

static void cmd_read_reg(struct cmd_cursor *c, struct cmd *ret)
{
    size_t fields = cmd_array(c, 6);

    ret->reg.node = cmd_text(c, NAME_BYTES_MAX);
    ret->reg.inc = cmd_u32(c);
    ret->reg.journal_ok = cmd_bool(c);
    ret->reg.last_seq = cmd_u64(c);
    ret->reg.finals = cmd_read_finals(c, &ret->reg.n_finals);
    ret->reg.cells = cmd_read_cells(c, &ret->reg.n_cells);
    cmd_rest(c, fields, 6);
}

static void cmd_read_reconcile(struct cmd_cursor *c, struct cmd *ret)
{
    size_t fields = cmd_array(c, 5);
    uint32_t proof;

    ret->reconcile.node = cmd_text(c, NAME_BYTES_MAX);
    ret->reconcile.inc_old = cmd_u32(c);
    proof = cmd_u32(c);
    c->bad = c->bad || proof < CMD_PROOF_JOURNAL || proof > CMD_PROOF_OPERATOR;
    ret->reconcile.proof = c->bad ? CMD_PROOF_JOURNAL : (enum cmd_proof)proof;
    ret->reconcile.finals = cmd_read_finals(c, &ret->reconcile.n_finals);
    ret->reconcile.all = cmd_bool(c);
    cmd_rest(c, fields, 5);
}

static void cmd_read_member(struct cmd_cursor *c, struct cmd *ret)
{
    size_t fields = cmd_array(c, 7);

    ret->member.remove = cmd_bool(c);
    ret->member.name = cmd_text(c, NAME_BYTES_MAX);
    ret->member.raft_id = cmd_u64(c);
    ret->member.peer_addr = cmd_text(c, 2 * NAME_BYTES_MAX);
    ret->member.gateway_addr = cmd_text(c, 2 * NAME_BYTES_MAX);
    ret->member.region = cmd_text(c, NAME_BYTES_MAX);
    ret->member.version = cmd_text(c, NAME_BYTES_MAX);
    cmd_rest(c, fields, 7);
}

static void cmd_read_body(struct cmd_cursor *c, struct cmd *ret)
{
    size_t fields;

    switch (ret->type) {
    case CMD_NOOP:
        cmd_skip(c, 0);
        break;
    case CMD_RESOURCES:
        cmd_read_resources(c, ret);
        break;
    case CMD_BATCH:
        cmd_read_batch(c, ret);
        break;
    case CMD_REGISTER:
    case CMD_RELEASE:
        cmd_read_reg(c, ret);
        break;
    case CMD_RECONCILE:
        cmd_read_reconcile(c, ret);
        break;
    case CMD_MEMBER:
        cmd_read_member(c, ret);
        break;
    case CMD_TICK:
        fields = cmd_array(c, 2);
        ret->tick.hash_index = cmd_u64(c);
        ret->tick.hash = cmd_u64(c);
        cmd_rest(c, fields, 2);
        break;
    case CMD_CLUSTER:
        fields = cmd_array(c, 2);
        cmd_fixed(c, ret->cluster.uuid, sizeof ret->cluster.uuid);
        cmd_fixed(c, ret->cluster.key_check, sizeof ret->cluster.key_check);
        cmd_rest(c, fields, 2);
        break;
    }
}

int cmd_decode(struct slice bytes, struct arena *arena, struct cmd *ret, struct errmsg *err)
{
    struct cmd_cursor c = {(const uint8_t *)bytes.p, bytes.n, false, arena};
    size_t fields;
    uint32_t version, type;

    if (bytes.n > CMD_BYTES_MAX) {
        errmsg_set(err, "a command of %zu bytes; at most %u", bytes.n, CMD_BYTES_MAX);
        return Q_ETOOBIG;
    }
    *ret = (struct cmd){.type = CMD_NOOP};
    fields = cmd_array(&c, 8);
    version = cmd_u32(&c);
    type = cmd_u32(&c);
    if (!c.bad && (version != CMD_VERSION || type < CMD_NOOP || type > CMD_CLUSTER)) {
        errmsg_set(err, "command type %u of version %u is not known here", type, version);
        return Q_EVERSION;
    }
    ret->type = c.bad ? CMD_NOOP : (enum cmd_type)type;
    ret->t_ms = cmd_i64(&c);
    c.bad = c.bad || ret->t_ms < 0;
    ret->jump_ok = cmd_bool(&c);
    ret->origin = cmd_text(&c, NAME_BYTES_MAX);
    ret->origin_inc = cmd_u32(&c);
    ret->reqno = cmd_u64(&c);
    if (!c.bad) {
        cmd_read_body(&c, ret);
    }
    cmd_rest(&c, fields, 8);
    if (c.bad || c.n > 0) {
        errmsg_set(err, "a command is not well formed near byte %zu of %zu", bytes.n - c.n,
                   bytes.n);
        return Q_EPROTO;
    }
    return 0;
}
