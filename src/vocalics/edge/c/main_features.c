/* The desktop program of a model whose features are computed elsewhere: numbers in, emotions as JSON out.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "vocalics.h"

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#define PIECE 1024

static const char help[] =
    "Usage: emotion [OPTIONS] FILE...\n"
    "\n"
    "Print the emotion that features tell, one JSON object per line. This model takes\n"
    "the feature set " VOCALICS_FEATURE_SET ", which vocalics features computes: there\n"
    "is no front end for it in C. A file that cannot be judged is one line on standard\n"
    "error; the exit code is then 1.\n"
    "\n"
    "  FILE        floats of 32 bits, little endian, frame by frame; or - for standard\n"
    "              input\n"
    "  --version   the model and its hash\n"
    "  --help      this message\n";

static float little_endian(const unsigned char *bytes)
{
    const uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Feeds all numbers of a file; returns what is wrong, or 0. */
static const char *feed(FILE *file, int64_t *n_values)
{
    static unsigned char bytes[4 * PIECE];
    static float values[PIECE];
    size_t got;
    *n_values = 0;
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        const int n = (int)(got / 4);
        int i;
        if (got % 4)
            return "ends within a number; expected floats of 32 bits";
        for (i = 0; i < n; i++) {
            values[i] = little_endian(bytes + 4 * i);
            if (!(values[i] - values[i] == 0.0f)) {
                *n_values += i;
                return "has a number that is not finite, number #";
            }
        }
        *n_values += n;
        if (vocalics_feed(values, n) < n)
            return "holds more features than the model takes (# or more)";
    }
    return ferror(file) ? "cannot be read, or is a folder; expected floats of 32 bits" : 0;
}

static int judge_file(const char *path)
{
    const int is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "rb");
    vocalics_result result;
    judgement judged;
    const char *fault;
    int64_t n_values;
    int i;
    if (!file) {
        complain(path, "cannot be opened; check the path", 0);
        return -1;
    }
#ifdef _WIN32
    if (is_input)
        _setmode(_fileno(stdin), _O_BINARY);
#endif
    vocalics_start();
    fault = feed(file, &n_values);
    if (!is_input)
        fclose(file);
    if (!fault && n_values == 0)
        fault = "is empty; expected floats of 32 bits";
    if (!fault && vocalics_finish(&result) != 0)
        fault = "holds # numbers, which are no whole frames of this feature set, or too few";
    if (fault) {
        complain(path, fault, n_values);
        return -1;
    }
    memset(&judged, 0, sizeof judged);
    judged.strangeness = result.strangeness;
    for (i = 0; i < VOCALICS_N_EMOTIONS; i++)
        judged.probabilities[i] = result.probabilities[i];
    report(path, 0, 0, &judged);
    return 0;
}

int main(int argc, char **argv)
{
    int i = 1, failed = 0;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("%s %s\n", VOCALICS_MODEL, VOCALICS_SHA256);
            return 0;
        }
        if (strcmp(argv[i], "--")) {
            fprintf(stderr, "emotion: %s is no option; emotion --help tells the options\n", argv[i]);
            return 2;
        }
    }
    if (i == argc) {
        fputs("emotion: no file was given; emotion --help tells the options\n", stderr);
        return 2;
    }
    for (; i < argc; i++)
        failed |= judge_file(argv[i]) != 0;
    if (fflush(stdout) || ferror(stdout)) {
        fputs("emotion: what was found cannot be written to standard output\n", stderr);
        return 1;
    }
    return failed;
}
