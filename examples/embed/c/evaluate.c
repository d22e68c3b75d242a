/* evaluate.c - the learning rates of a run that Python saved with schedule.to_bytes(), in a program without Python.

   evaluate FILE STEPS prints the value of every step in hexadecimal, which loses nothing. */
#include <lrkernel.h>

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file; NULL where it cannot be read. */
static unsigned char *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    unsigned char *data = NULL;
    long length;
    if (file == NULL) return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        data = malloc((size_t)length + 1);
        *size = data == NULL ? 0 : fread(data, 1, (size_t)length, file);
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    int64_t rows = 0, count = 0;
    lrk_table table;
    if (argc != 3) {
        fprintf(stderr, "usage: %s FILE STEPS\n", argv[0]);
        return 2;
    }
    unsigned char *data = read_file(argv[1], &size);
    if (data == NULL) {
        perror(argv[1]);
        return 2;
    }

    const char *broken = lrk_table_measure(data, size, &rows, &count);
    lrk_segment *segments = calloc((size_t)rows + 1, sizeof *segments);
    double *values = calloc((size_t)count + 1, sizeof *values);
    if (segments == NULL || values == NULL) broken = "memory is short";
    if (broken == NULL) broken = lrk_table_load(data, size, segments, rows, values, count, &table);
    free(data); /* the table does not refer to it */
    if (broken == NULL) {
        lrk_cursor cursor;
        lrk_cursor_begin(&cursor, &table);
        for (int64_t step = 0, steps = strtoll(argv[2], NULL, 10); step < steps; ++step)
            printf("%a\n", lrk_cursor_at(&cursor, step));
    } else {
        fprintf(stderr, "%s: %s\n", argv[1], broken);
    }
    free(segments);
    free(values);
    return broken == NULL ? 0 : 2;
}
