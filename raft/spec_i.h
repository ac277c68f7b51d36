/* Inside spec_*.c: reading fields of a JSON object. The first error stays; later reads do nothing.
 */
#ifndef RAFT_SPEC_I_H_
#define RAFT_SPEC_I_H_

#include "base/json.h"
#include "raft/spec.h"

#define SPEC_HEADERS_MAX 32
#define SPEC_GLOBS_MAX   256
#define SPEC_TEXT_MAX    65536
#define SPEC_URL_MAX     2048
#define SPEC_COUNT_MAX   ((int64_t)1 << 53)

struct spec_reader {
    struct arena *arena;
    struct errmsg *err;
    int rv;
};

/* The first error: "@path.@field: ...". @field "" for the path itself. */
void spec_fail(struct spec_reader *r, const char *path, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Only @known fields (each name followed by a space) may be there; @later ones are refused as not
 * enforced, others as unknown. Fails when @obj is no object. */
void spec_fields(struct spec_reader *r, yyjson_val *obj, const char *path, const char *known,
                 const char *later);
/* Each leaves *@ret as it is when the field is absent (and was not required), and copies texts. */
void spec_text(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               struct slice *ret);
/* A reference to another resource. */
void spec_name(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               enum kind kind, struct slice *ret);
void spec_bool(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               bool *ret);
void spec_count(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                int64_t max, int64_t *ret);
void spec_duration(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                   uint64_t *ret_ms);
/* The decimal text of a number or of a string without @suffix. False when absent. */
bool spec_decimal(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                  struct slice suffix, int decimals, i128 *ret);
/* One of @words, separated by spaces; the index of it. */
void spec_word(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               const char *words, int *ret);
int spec_check_name(enum kind kind, struct slice name, struct errmsg *err);

void spec_read_provider(struct spec_reader *r, yyjson_val *v, struct slice name,
                        struct spec_provider *ret);
void spec_read_model(struct spec_reader *r, yyjson_val *v, struct slice name,
                     struct spec_model *ret);
void spec_read_route(struct spec_reader *r, yyjson_val *v, struct spec_route *ret);
void spec_read_team(struct spec_reader *r, yyjson_val *v, struct spec_team *ret);
void spec_read_user(struct spec_reader *r, yyjson_val *v, struct spec_user *ret);
void spec_read_key(struct spec_reader *r, yyjson_val *v, struct spec_key *ret);
void spec_read_budget(struct spec_reader *r, yyjson_val *v, struct spec_budget *ret);

#endif /* RAFT_SPEC_I_H_ */
