/* Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "wav.h"

#include <float.h>
#include <string.h>

enum { PCM = 1, FLOAT = 3, A_LAW = 6, MU_LAW = 7, EXTENSIBLE = 0xFFFE };

#define BUFFER 8192 /* bytes; at least a sample of all channels */
#define LOUDEST 1e15f /* of full scale 1: power overflows not far above */

static uint32_t number_of(const unsigned char *bytes, int n)
{
    uint32_t value = 0;
    while (n-- > 0)
        value = value << 8 | bytes[n];
    return value;
}

static int fail(wav *w, const char *fault, int64_t number)
{
    w->fault = fault;
    w->number = number;
    return -1;
}

/* Reads n bytes exactly. */
static int take(wav *w, unsigned char *bytes, int n)
{
    const int got = w->read(w->source, bytes, n);
    if (got < 0)
        return fail(w, "cannot be read", 0);
    if (got < n)
        return fail(w, "ends within its header; expected a complete wav file", 0);
    return 0;
}

static int skip(wav *w, uint64_t n)
{
    unsigned char bytes[512];
    while (n > 0) {
        const int count = n < sizeof bytes ? (int)n : (int)sizeof bytes;
        if (take(w, bytes, count))
            return -1;
        n -= (uint64_t)count;
    }
    return 0;
}

/* What another file's first bytes tell about it. */
static const char *foreign(const unsigned char *head)
{
    if (!memcmp(head, "fLaC", 4))
        return "is FLAC; expected wav";
    if (!memcmp(head, "OggS", 4))
        return "is Ogg; expected wav";
    if (!memcmp(head, "FORM", 4))
        return "is AIFF; expected wav";
    if (!memcmp(head, "RIFX", 4))
        return "is a wav file of the other byte order (RIFX); expected RIFF";
    if (!memcmp(head, "ID3", 3) || (head[0] == 0xFF && (head[1] & 0xE0) == 0xE0))
        return "is mp3; expected wav";
    return "is no wav file; expected one (raw samples: say their rate)";
}

static int read_format(wav *w, uint32_t length)
{
    static const unsigned char rest[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
    unsigned char bytes[40];
    uint32_t used = length < sizeof bytes ? length : (uint32_t)sizeof bytes, rate;
    int bits, block;
    if (length < 16)
        return fail(w, "has a format chunk of # bytes; expected at least 16", length);
    if (take(w, bytes, (int)used) || skip(w, (uint64_t)length - used + length % 2))
        return -1;
    w->coding = (int)number_of(bytes, 2);
    w->n_channels = (int)number_of(bytes + 2, 2);
    rate = number_of(bytes + 4, 4);
    block = (int)number_of(bytes + 12, 2);
    bits = (int)number_of(bytes + 14, 2);
    if (w->coding == EXTENSIBLE) {
        if (used < 40 || memcmp(bytes + 26, rest, sizeof rest))
            return fail(w, "is a wav file of an unknown subformat; expected PCM or float", 0);
        w->coding = (int)number_of(bytes + 24, 2);
    }
    w->width = (bits + 7) / 8;
    if (w->coding != PCM && w->coding != FLOAT && w->coding != A_LAW && w->coding != MU_LAW)
        return fail(w, "is a compressed wav file (format #); expected PCM or float", w->coding);
    if ((w->coding == PCM && (w->width < 1 || w->width > 4)) || (w->coding == FLOAT && bits != 32 && bits != 64) ||
        (w->coding > FLOAT && bits != 8))
        return fail(w, "has samples of # bits, which this format has not", bits);
    if (rate < WAV_LOWEST_RATE || rate > WAV_HIGHEST_RATE)
        return fail(w, "has a sample rate of # Hz; expected 4000 to 384000", rate);
    if (w->n_channels < 1 || w->n_channels > WAV_MOST_CHANNELS)
        return fail(w, "has # channels; expected 1 to 64", w->n_channels);
    if (block != w->n_channels * w->width)
        return fail(w, "contradicts itself: a block of # bytes does not fit its channels and bits", block);
    w->rate = (int32_t)rate;
    return 0;
}

int wav_open(wav *w, wav_source read, void *source)
{
    unsigned char head[28];
    uint64_t long_data = 0;
    int is_long, got;
    memset(w, 0, sizeof *w);
    w->read = read;
    w->source = source;
    got = read(source, head, 12);
    if (got <= 0)
        return got < 0 ? fail(w, "cannot be read", 0) : fail(w, "is empty (0 bytes); expected a wav file", 0);
    memset(head + got, 0, (size_t)(12 - got));
    is_long = !memcmp(head, "RF64", 4);
    if (memcmp(head, "RIFF", 4) && !is_long)
        return fail(w, foreign(head), 0);
    if (memcmp(head + 8, "WAVE", 4))
        return got < 12 ? fail(w, "ends within its header; expected a complete wav file", 0)
                        : fail(w, "is a RIFF file without sound; expected a wav file", 0);
    for (;;) {
        uint32_t length;
        if (take(w, head, 8))
            return -1;
        length = number_of(head + 4, 4);
        if (!memcmp(head, "fmt ", 4)) {
            if (read_format(w, length))
                return -1;
        } else if (!memcmp(head, "ds64", 4) && is_long && length >= 28) {
            if (take(w, head, 28) || skip(w, (uint64_t)length - 28 + length % 2))
                return -1;
            long_data = number_of(head + 8, 4) | (uint64_t)number_of(head + 12, 4) << 32;
        } else if (!memcmp(head, "data", 4)) {
            if (w->rate == 0)
                return fail(w, "has sound before its format; expected a wav file", 0);
            /* A length of nearly 2 or 4 GiB is what writers to a pipe leave, and is no promise. */
            w->promised = length > 0 && length < 0xFFFF0000u && !(length >= 0x7FFF0000u && length <= 0x80000000u);
            w->left = w->promised || length == 0 ? (int64_t)length : INT64_MAX;
            if (is_long && length == 0xFFFFFFFFu && long_data > 0 && long_data < (uint64_t)INT64_MAX) {
                w->promised = 1;
                w->left = (int64_t)long_data;
            }
            return 0;
        } else if (skip(w, (uint64_t)length + length % 2)) {
            return w->rate == 0 ? -1 : fail(w, "holds no sound; expected a chunk of data", 0);
        }
    }
}

void wav_raw(wav *w, wav_source read, void *source, int32_t rate, int n_channels, int is_float)
{
    memset(w, 0, sizeof *w);
    w->read = read;
    w->source = source;
    w->rate = rate;
    w->n_channels = n_channels;
    w->coding = is_float ? FLOAT : PCM;
    w->width = is_float ? 4 : 2;
    w->left = INT64_MAX;
}

/* The level of A-law and mu-law samples (ITU-T G.711), of 32768. */
static float companded(unsigned char byte, int coding)
{
    const int code = coding == A_LAW ? byte ^ 0x55 : byte ^ 0xFF;
    const int exponent = code >> 4 & 7, mantissa = code & 15;
    int level;
    if (coding == A_LAW)
        level = exponent ? (mantissa * 16 + 264) << (exponent - 1) : mantissa * 16 + 8;
    else
        level = ((mantissa * 8 + 132) << exponent) - 132;
    /* A-law has its sign the other way round. */
    return (float)((code & 0x80) == (coding == A_LAW ? 0 : 0x80) ? -level : level) / 32768.0f;
}

static float sample_of(const wav *w, const unsigned char *bytes)
{
    uint32_t low = number_of(bytes, w->width > 4 ? 4 : w->width);
    if (w->coding == A_LAW || w->coding == MU_LAW)
        return companded(*bytes, w->coding);
    if (w->coding == FLOAT && w->width == 8) {
        const uint64_t bits = low | (uint64_t)number_of(bytes + 4, 4) << 32;
        double value;
        memcpy(&value, &bits, sizeof value);
        return value > FLT_MAX || value < -FLT_MAX ? FLT_MAX : (float)value;
    }
    if (w->coding == FLOAT) {
        float value;
        memcpy(&value, &low, sizeof value);
        return value;
    }
    if (w->width == 1) /* without a sign */
        return ((float)low - 128.0f) / 128.0f;
    low <<= 8 * (4 - w->width); /* to the top, where the sign is */
    return (float)((double)(low < 0x80000000u ? (int64_t)low : (int64_t)low - 0x100000000LL) / 2147483648.0);
}

int wav_read(wav *w, float *mono, int n)
{
    unsigned char bytes[BUFFER];
    const int block = w->n_channels * w->width;
    int n_done = 0;
    while (n_done < n && w->left >= block) {
        int wanted = (n - n_done < BUFFER / block ? n - n_done : BUFFER / block) * block, got, i, c;
        if (wanted > w->left)
            wanted = (int)(w->left / block) * block;
        got = w->read(w->source, bytes, wanted);
        if (got < 0)
            return fail(w, "cannot be read", 0);
        w->left -= got;
        for (i = 0; i < got / block; i++) {
            float sum = 0.0f;
            for (c = 0; c < w->n_channels; c++)
                sum += sample_of(w, bytes + i * block + c * w->width);
            sum = w->n_channels > 1 ? sum / (float)w->n_channels : sum;
            if (!(sum - sum == 0.0f))
                return fail(w, "has a sample that is not a finite number, number #; repair or export it anew",
                            w->n_read);
            if (sum > LOUDEST || sum < -LOUDEST)
                return fail(w, "has a sample above 1e15 of full scale 1, number #; export it anew", w->n_read);
            mono[n_done++] = sum;
            w->n_read++;
        }
        if (got < wanted) {
            if (w->promised)
                return fail(w, "is truncated (# bytes of its sound are missing); expected a complete file", w->left);
            w->left = 0;
        }
    }
    if (n_done == 0 && n > 0 && w->promised && w->left > 0) {
        const int got = w->read(w->source, bytes, (int)w->left); /* less than a sample, but promised */
        if (got < w->left)
            return fail(w, "is truncated (# bytes of its sound are missing); expected a complete file",
                        w->left - (got > 0 ? got : 0));
        w->left = 0;
    }
    return n_done;
}
