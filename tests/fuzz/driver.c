/* Replays a committed corpus through a fuzzer, for builds without libFuzzer.
 *
 *   fuzz_NAME FILE|DIRECTORY...
 *
 * Every input is handed over in a heap block of exactly its size, so that the address sanitizer
 * sees the first byte read beyond it. The empty input is always tried. A crash names its input,
 * because the name is printed first. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DRIVER_INPUT_BYTES_MAX (64L * 1024 * 1024)
#define DRIVER_PATH_BYTES_MAX  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned driver_inputs;

static bool driver_run_file(const char *path)
{
    uint8_t *data = NULL;
    bool ok = false;
    long n;
    FILE *f = fopen(path, "rb");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        goto out;
    }
    n = ftell(f);
    if (n < 0 || n > DRIVER_INPUT_BYTES_MAX || fseek(f, 0, SEEK_SET) != 0) {
        goto out;
    }
    data = malloc((size_t)n > 0 ? (size_t)n : 1);
    if (data == NULL || fread(data, 1, (size_t)n, f) != (size_t)n) {
        goto out;
    }
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, (size_t)n);
    driver_inputs++;
    ok = true;
out:
    if (!ok) {
        perror(path);
    }
    free(data);
    if (f != NULL) {
        fclose(f);
    }
    return ok;
}

/* Corpora are flat: a folder inside one is a mistake, and fails as an unreadable file. */
static bool driver_run_dir(const char *path)
{
    struct dirent **entries;
    bool ok = true;
    int n = scandir(path, &entries, NULL, alphasort);

    if (n < 0) {
        perror(path);
        return false;
    }
    for (int i = 0; i < n; i++) {
        char file[DRIVER_PATH_BYTES_MAX];
        int len = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);

        if (len < 0 || (size_t)len >= sizeof file) {
            ok = false;
        } else if (entries[i]->d_name[0] != '.') {
            ok = driver_run_file(file) && ok;
        }
        free(entries[i]);
    }
    free(entries);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = true;
    uint8_t *empty = calloc(1, 1);

    if (empty == NULL) {
        return EXIT_FAILURE;
    }
    LLVMFuzzerTestOneInput(empty, 0);
    free(empty);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

        ok = (is_dir ? driver_run_dir(argv[i]) : driver_run_file(argv[i])) && ok;
    }
    printf("%u inputs replayed\n", driver_inputs);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
