/* One vector for an excerpt: means over its frames of pitch classes, cepstrum and mel bands, and where the set has them of
   zero crossings and loudness (vocalics.features.feature_set: zcr_chroma_mfcc_rms_mel, mfcc_chroma_mel). Pitch classes are
   those of A = 440 Hz: the tuning of the sound is not estimated.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <string.h>

#include "front_end.h"
#include "levels.h"
#include "maths.h"
#include "network.h"
#include "tables.h"

#define N_CLASSES 12

#if NETWORK_ROWS != 2 * FRONT_END_HAS_PROSODY + N_CLASSES + FRONT_END_COEFFICIENTS + FRONT_END_BANDS
#error "the network takes another number of features than the front end gives"
#endif

static float class_sums[N_CLASSES], band_sums[FRONT_END_BANDS];
static float crossings, loudness; /* sums over frames */
static int32_t n_samples;

void front_end_start(void)
{
    n_samples = 0;
    levels_start();
}

int front_end_feed(const sample *samples, int n)
{
    if (n > VOCALICS_LONGEST_SAMPLES - n_samples)
        n = (int)(VOCALICS_LONGEST_SAMPLES - n_samples);
    n_samples += n;
    levels_feed(samples, n);
    return n;
}

/* Zero crossings and root mean square of the frame under way. Beyond its ends the excerpt crosses nothing. */
static void add_prosody(void)
{
    int i, n_crossings = 0;
    float sum = 0.0f;
    for (i = 0; i < FRONT_END_FRAME; i++) {
        const float x = levels_sample(i);
        sum += x * x;
        if (i > 0 && levels_has(i) && levels_has(i - 1))
            n_crossings += (x < -1e-10f) != (levels_sample(i - 1) < -1e-10f);
    }
    crossings += (float)n_crossings / FRONT_END_FRAME;
    loudness += math_sqrt(sum / FRONT_END_FRAME);
}

/* Pitch classes of a frame, its largest brought to 1. */
static void add_pitch_classes(const float *power)
{
    float classes[N_CLASSES] = {0}, largest = 0.0f;
    int i, c;
    for (i = 0; i < N_BINS; i++) {
        const float magnitude = math_sqrt(power[i]);
        for (c = 0; c < N_CLASSES; c++)
            classes[c] += front_end_pitch_classes[i * N_CLASSES + c] * magnitude;
    }
    for (c = 0; c < N_CLASSES; c++)
        largest = math_max(largest, classes[c]);
    for (c = 0; c < N_CLASSES; c++)
        class_sums[c] += largest < 1.17549435e-38f ? classes[c] : classes[c] / largest;
}

void levels_frame(int frame, const float *power, const float *bands)
{
    int band;
    if (frame == 0) {
        memset(class_sums, 0, sizeof class_sums);
        memset(band_sums, 0, sizeof band_sums);
        crossings = loudness = 0.0f;
    }
    for (band = 0; band < FRONT_END_BANDS; band++)
        band_sums[band] += bands[band];
    add_pitch_classes(power);
    if (FRONT_END_HAS_PROSODY)
        add_prosody();
}

/* The cepstrum of the mean level is the mean of the frames' cepstra. */
static void cepstrum(float *coefficients, int n_frames)
{
    float mean[FRONT_END_BANDS] = {0}, levels[FRONT_END_BANDS];
    int frame, band, i;
    for (frame = 0; frame < n_frames; frame++) {
        levels_of(frame, levels);
        for (band = 0; band < FRONT_END_BANDS; band++)
            mean[band] += levels[band] / (float)n_frames;
    }
    for (i = 0; i < FRONT_END_COEFFICIENTS; i++) {
        coefficients[i] = 0.0f;
        for (band = 0; band < FRONT_END_BANDS; band++)
            coefficients[i] += front_end_cepstrum[i * FRONT_END_BANDS + band] * mean[band];
    }
}

static float *put_means(float *features, const float *sums, int n, int n_frames)
{
    int i;
    for (i = 0; i < n; i++)
        *features++ = sums[i] / (float)n_frames;
    return features;
}

int front_end_finish(void)
{
    float coefficients[FRONT_END_COEFFICIENTS], *features = network_input();
    const int n_frames = levels_finish(0);
    if (n_frames == 0)
        return 0;
    cepstrum(coefficients, n_frames); /* before anything is written where the levels may lie */
#if FRONT_END_HAS_PROSODY
    features = put_means(features, &crossings, 1, n_frames);
    features = put_means(features, class_sums, N_CLASSES, n_frames);
    features = put_means(features, coefficients, FRONT_END_COEFFICIENTS, 1);
    features = put_means(features, &loudness, 1, n_frames);
#else
    features = put_means(features, coefficients, FRONT_END_COEFFICIENTS, 1);
    features = put_means(features, class_sums, N_CLASSES, n_frames);
#endif
    put_means(features, band_sums, FRONT_END_BANDS, n_frames);
    return 1;
}
