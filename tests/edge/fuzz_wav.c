/* libFuzzer's way into the wav reader: any bytes give samples or a fault, within bounds, and every sample is finite.

       clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I src/vocalics/edge/c \
           tests/edge/fuzz_wav.c src/vocalics/edge/c/wav.c -o fuzz_wav && ./fuzz_wav -runs=1000000 -max_len=4096 CORPUS */
#include <stdlib.h>
#include <string.h>

#include "wav.h"

typedef struct {
    const unsigned char *bytes;
    size_t left;
} memory;

static int read_memory(void *source, unsigned char *bytes, int n)
{
    memory *from = source;
    const int got = (size_t)n < from->left ? n : (int)from->left;
    memcpy(bytes, from->bytes, (size_t)got);
    from->bytes += got;
    from->left -= (size_t)got;
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    float samples[61];
    memory from = {data, size};
    size_t total = 0;
    wav w;
    int got, i;
    if (wav_open(&w, read_memory, &from)) {
        if (!w.fault)
            abort();
        return 0;
    }
    if (w.rate < WAV_LOWEST_RATE || w.rate > WAV_HIGHEST_RATE || w.n_channels < 1 || w.n_channels > WAV_MOST_CHANNELS)
        abort();
    while ((got = wav_read(&w, samples, 61)) > 0) {
        if (got > 61)
            abort();
        for (i = 0; i < got; i++)
            if (!(samples[i] > -1.1e15f && samples[i] < 1.1e15f))
                abort();
        total += (size_t)got;
    }
    if (total > size || (got < 0 && !w.fault) || w.n_read < (int64_t)total)
        abort();
    return 0;
}
