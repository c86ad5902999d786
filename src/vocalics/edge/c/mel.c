/* Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "mel.h"

#include <string.h>

#include "fft.h"
#include "maths.h"
#include "tables.h"

#define LOWEST_PEAK 1e-9f /* what a silent clip is taken to have */

static float parts[2 * FFT_SIZE];
static float power[FFT_SIZE / 2 + 1];

void mel_measure(const sample *samples, int n, block_power *sum, sample_level *peak)
{
    float squares = *sum, highest = *peak;
    int i;
    for (i = 0; i < n; i++) {
        squares += samples[i] * samples[i];
        highest = math_max(highest, math_abs(samples[i]));
    }
    *sum = squares;
    *peak = highest;
}

int mel_is_loud(block_power block, block_power loudest)
{
    return TRIM_RATIO == 0.0f || block > loudest * TRIM_RATIO;
}

void mel_frame(const sample *frame, band_power *bands)
{
    const float *weights = front_end_weights;
    int i, band;
    memset(parts, 0, FFT_SIZE * sizeof(float));
    for (i = 0; i < FRONT_END_FRAME / 2; i++) {
        parts[i] = frame[2 * i] * front_end_window[2 * i];
        parts[FFT_SIZE / 2 + i] = frame[2 * i + 1] * front_end_window[2 * i + 1];
    }
#if FRONT_END_FRAME % 2
    parts[i] = frame[2 * i] * front_end_window[2 * i];
#endif
    fft_power(parts, power);
    for (band = 0; band < FRONT_END_BANDS; band++) {
        const float *bins = power + front_end_first[band];
        const int count = front_end_count[band];
        float sum = 0.0f;
        for (i = 0; i < count; i++)
            sum += weights[i] * bins[i];
        weights += count;
        bands[band] = sum;
    }
}

void mel_finish(band_power *bands, int32_t n, sample_level peak)
{
    const float scale = 1.0f / math_max(peak, LOWEST_PEAK);
    int32_t i;
    for (i = 0; i < n; i++)
        bands[i] = math_log(bands[i] * scale * scale + FRONT_END_FLOOR);
}
