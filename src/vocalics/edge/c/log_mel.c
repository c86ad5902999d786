/* The log-mel spectrogram of a clip without its quiet ends and with its peak brought to 1, while it comes in.

   Neither the level nor where the clip ends is known before it has ended. So the power of all bands is kept first; at the
   end the loud part is chosen, and divided by the square of its peak before the logarithm is taken. Cutting quiet ends
   only chooses frames, since it cuts at whole hops.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>
#include <string.h>

#include "fft.h"
#include "front_end.h"
#include "maths.h"
#include "network.h"
#include "tables.h"

#define N_BLOCKS (VOCALICS_LONGEST_SAMPLES / TRIM_BLOCK + 1)
#define LOWEST_PEAK 1e-9f /* what a silent clip is taken to have */

#if NETWORK_ROWS != FRONT_END_BANDS
#error "the network takes another number of bands than the front end gives"
#endif

static float frame[FRONT_END_FRAME];
static float parts[2 * FFT_SIZE];
static float power[FFT_SIZE / 2 + 1];
static float block_power[N_BLOCKS], block_peak[N_BLOCKS]; /* of every 20 ms */
static int n_frame, n_block, n_blocks, n_frames;
static int32_t n_samples;

void front_end_start(void)
{
    n_frame = n_block = n_blocks = n_frames = 0;
    n_samples = 0;
    block_power[0] = block_peak[0] = 0.0f;
}

/* Windows and transforms the frame and puts the power of its bands behind those of the frames before. */
static void transform(void)
{
    float *bands = network_input() + (int32_t)n_frames * NETWORK_ROWS;
    const float *weights = front_end_weights;
    int i, band;
    if (n_frames == NETWORK_MAX_FRAMES)
        return;
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
    n_frames++;
}

/* Power and peak of every 20 ms, by which quiet ends are told. */
static void measure(const float *samples, int n)
{
    int i = 0;
    while (i < n) {
        const int end = n - i < TRIM_BLOCK - n_block ? n : i + TRIM_BLOCK - n_block;
        float sum = block_power[n_blocks], peak = block_peak[n_blocks];
        n_block += end - i;
        for (; i < end; i++) {
            sum += samples[i] * samples[i];
            peak = math_max(peak, math_abs(samples[i]));
        }
        block_power[n_blocks] = sum;
        block_peak[n_blocks] = peak;
        if (n_block == TRIM_BLOCK) {
            n_block = 0;
            n_blocks++;
            block_power[n_blocks] = block_peak[n_blocks] = 0.0f;
        }
    }
}

int front_end_feed(const float *samples, int n)
{
    int i = 0;
    if (n > VOCALICS_LONGEST_SAMPLES - n_samples)
        n = (int)(VOCALICS_LONGEST_SAMPLES - n_samples);
    measure(samples, n);
    n_samples += n;
    while (i < n) {
        const int count = n - i < FRONT_END_FRAME - n_frame ? n - i : FRONT_END_FRAME - n_frame;
        memcpy(frame + n_frame, samples + i, (size_t)count * sizeof(float));
        n_frame += count;
        i += count;
        if (n_frame == FRONT_END_FRAME) {
            transform();
            n_frame -= FRONT_END_HOP;
            memmove(frame, frame + FRONT_END_HOP, (size_t)n_frame * sizeof(float));
        }
    }
    return n;
}

/* Where the loud part begins and ends, with its margins, in samples; the whole clip where nothing is loud. */
static void loud_part(int32_t *start, int32_t *end)
{
    float loudest = 0.0f;
    int first = 0, last = n_blocks, i;
    *start = 0;
    *end = n_samples;
    for (i = 0; i < n_blocks; i++)
        loudest = math_max(loudest, block_power[i]);
    if (TRIM_RATIO == 0.0f || !(loudest > 0.0f))
        return;
    while (!(block_power[first] > loudest * TRIM_RATIO))
        first++;
    while (!(block_power[last - 1] > loudest * TRIM_RATIO))
        last--;
    if ((int32_t)first * TRIM_BLOCK > TRIM_MARGIN)
        *start = (int32_t)first * TRIM_BLOCK - TRIM_MARGIN;
    if ((int32_t)last * TRIM_BLOCK + TRIM_MARGIN < n_samples)
        *end = (int32_t)last * TRIM_BLOCK + TRIM_MARGIN;
}

int front_end_finish(void)
{
    float *bands = network_input();
    float peak = LOWEST_PEAK, scale;
    int32_t start, end, i;
    int first, count, block;
    if (n_samples == 0)
        return 0;
    if (n_samples < FRONT_END_FRAME) { /* padded to one frame */
        memset(frame + n_frame, 0, (size_t)(FRONT_END_FRAME - n_frame) * sizeof(float));
        transform();
    }
    loud_part(&start, &end);
    if (end - start < FRONT_END_FRAME) { /* cannot be where the margins are longer than a frame */
        start = 0;
        end = n_samples;
    }
    for (block = (int)(start / TRIM_BLOCK); (int32_t)block * TRIM_BLOCK < end; block++)
        peak = math_max(peak, block_peak[block]);
    first = (int)(start / FRONT_END_HOP);
    count = end < FRONT_END_FRAME ? 1 : 1 + (int)((end - start - FRONT_END_FRAME) / FRONT_END_HOP);
    if (count > n_frames - first)
        count = n_frames - first;
    scale = 1.0f / peak;
    if (first > 0)
        memmove(bands, bands + (int32_t)first * NETWORK_ROWS, (size_t)count * NETWORK_ROWS * sizeof(float));
    for (i = 0; i < (int32_t)count * NETWORK_ROWS; i++)
        bands[i] = math_log(bands[i] * scale * scale + FRONT_END_FLOOR);
    return count;
}
