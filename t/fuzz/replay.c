/* Runs a fuzz target over the files named on the command line, as TAP. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static uint8_t *
read_file(const char *name, size_t *size)
{
    FILE     *f;
    long      n;
    uint8_t  *p;

    f = fopen(name, "rb");

    if (f == NULL) {
        return NULL;
    }

    if (fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0
        || fseek(f, 0, SEEK_SET) != 0)
    {
        fclose(f);
        return NULL;
    }

    p = malloc(n ? (size_t) n : 1);

    if (p == NULL || fread(p, 1, (size_t) n, f) != (size_t) n) {
        free(p);
        fclose(f);
        return NULL;
    }

    fclose(f);
    *size = (size_t) n;

    return p;
}


int
main(int argc, char **argv)
{
    int       i, failed;
    size_t    size;
    uint8_t  *p;

    failed = (argc < 2);

    for (i = 1; i < argc; i++) {
        p = read_file(argv[i], &size);

        if (p == NULL) {
            printf("not ok %d - cannot read %s\n", i, argv[i]);
            failed = 1;
            continue;
        }

        (void) LLVMFuzzerTestOneInput(p, size);
        free(p);

        printf("ok %d - %s\n", i, argv[i]);
    }

    printf("1..%d\n", argc - 1);

    return failed;
}
