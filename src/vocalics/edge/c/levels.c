/* Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "levels.h"

#include <string.h>

#include "fft.h"
#include "maths.h"
#include "network.h"
#include "tables.h"

#define HALF_FRAME (FRONT_END_FRAME / 2)
#define MOST_FRAMES (1 + FRONT_END_DURATION / FRONT_END_HOP)
#define LOWEST 1e-10f
#define RANGE 1e-8f    /* 80 dB */
#define STEPS 256.0f   /* levels are kept in steps of 1/256 dB above -100 dB: an error of 0.001 dB, in half the memory */
#define DECIBELS 4.34294482f

#if FRONT_END_FRAME != FFT_SIZE || FRONT_END_FRAME & (FRONT_END_FRAME - 1)
#error "frames are expected to be as long as the transform, a power of two"
#endif
#if FRONT_END_DURATION < FRONT_END_OFFSET + FRONT_END_FRAME
#error "an excerpt from the start would end before it is known where the excerpt begins"
#endif

/* What is needed until the network runs. */
typedef struct {
    uint16_t kept[MOST_FRAMES * FRONT_END_BANDS]; /* levels */
    float recent[FRONT_END_FRAME];                /* the last samples, in a ring */
    float parts[2 * FFT_SIZE];
    float power[N_BINS];
} memory;

/* The network's memory is free until it runs: where all of this fits in there, from its input on, it takes none of its
   own. The input is written over levels that have been read. */
#ifdef NETWORK_INPUT_OFFSET
#define IS_SHARED (sizeof(memory) <= NETWORK_ARENA_BYTES - NETWORK_INPUT_OFFSET)
#else
#define IS_SHARED 0
#endif
static union {
    unsigned char bytes[IS_SHARED ? 1 : sizeof(memory)];
    double aligned;
} own;

static memory *place_of_all(void)
{
    return (memory *)(void *)(IS_SHARED ? (unsigned char *)network_input() : own.bytes);
}

static float loudest;
static int32_t n_clip;    /* samples of the clip */
static int32_t n_excerpt; /* samples of the excerpt so far */
static int32_t n_sound;   /* samples of the excerpt, once it has ended */
static int n_frames;

static void start_excerpt(void)
{
    n_excerpt = 0;
    n_sound = FRONT_END_DURATION;
    n_frames = 0;
    loudest = 0.0f;
}

void levels_start(void)
{
    n_clip = 0;
    start_excerpt();
}

/* The place in the excerpt of a sample of the frame under way. */
static int32_t place(int i)
{
    return (int32_t)n_frames * FRONT_END_HOP - HALF_FRAME + i;
}

int levels_has(int i)
{
    return place(i) >= 0 && place(i) < n_sound;
}

float levels_sample(int i)
{
    /* The ring is filled in step with the clip, so that its samples stay where they are when the excerpt begins. */
    const int32_t at = (n_clip - n_excerpt + place(i)) & (FRONT_END_FRAME - 1);
    return levels_has(i) ? place_of_all()->recent[at] : 0.0f;
}

static void transform(void)
{
    memory *m = place_of_all();
    float bands[FRONT_END_BANDS];
    const float *weights = front_end_weights;
    uint16_t *levels = m->kept + (int32_t)n_frames * FRONT_END_BANDS;
    int i, band;
    for (i = 0; i < FFT_SIZE / 2; i++) {
        m->parts[i] = levels_sample(2 * i) * front_end_window[2 * i];
        m->parts[FFT_SIZE / 2 + i] = levels_sample(2 * i + 1) * front_end_window[2 * i + 1];
    }
    fft_power(m->parts, m->power);
    for (band = 0; band < FRONT_END_BANDS; band++) {
        const float *bins = m->power + front_end_first[band];
        float sum = 0.0f, steps;
        for (i = 0; i < front_end_count[band]; i++)
            sum += weights[i] * bins[i];
        weights += front_end_count[band];
        bands[band] = sum;
        loudest = math_max(loudest, sum);
        steps = (DECIBELS * math_log(math_max(sum, LOWEST)) + 100.0f) * STEPS;
        levels[band] = (uint16_t)(math_min(math_max(steps, 0.0f), 65535.0f) + 0.5f);
    }
    levels_frame(n_frames, m->power, bands);
    n_frames++;
}

/* Transforms the frames that are complete. */
static void transform_all(void)
{
    while (n_frames < MOST_FRAMES && (int32_t)n_frames * FRONT_END_HOP + HALF_FRAME <= n_excerpt)
        transform();
}

void levels_feed(const float *samples, int n)
{
    int i;
    for (i = 0; i < n && n_excerpt < FRONT_END_DURATION; i++) {
        place_of_all()->recent[n_clip & (FRONT_END_FRAME - 1)] = samples[i];
        n_clip++;
        n_excerpt++;
        transform_all();
        if (FRONT_END_OFFSET > 0 && n_clip == FRONT_END_OFFSET + FRONT_END_FRAME) {
            start_excerpt(); /* enough is left behind the offset: what was there before does not count */
            n_excerpt = FRONT_END_FRAME;
            transform_all();
        }
    }
}

int levels_finish(int is_padded)
{
    const int32_t n = is_padded ? FRONT_END_DURATION : n_excerpt;
    n_sound = n_excerpt;
    if (n_excerpt == 0)
        return 0;
    while (n_frames < 1 + n / FRONT_END_HOP)
        transform();
    return n_frames;
}

void levels_of(int frame, float *bands)
{
    const uint16_t *levels = place_of_all()->kept + (int32_t)frame * FRONT_END_BANDS;
    const float floor = DECIBELS * math_log(math_max(LOWEST, loudest * RANGE));
    int band;
    for (band = 0; band < FRONT_END_BANDS; band++)
        bands[band] = math_max((float)levels[band] / STEPS - 100.0f, floor);
}
