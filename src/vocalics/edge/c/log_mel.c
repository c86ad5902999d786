/* The log-mel spectrogram of a clip without its quiet ends and with its peak brought to 1, while it comes in.

   Neither the level nor where the clip ends is known before it has ended. So the power of all bands is kept first; at the
   end the loud part is chosen, and divided by the square of its peak before the logarithm is taken. Cutting quiet ends
   only chooses frames, since it cuts at whole hops.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>
#include <string.h>

#include "front_end.h"
#include "mel.h"
#include "network.h"

#define N_BLOCKS (VOCALICS_LONGEST_SAMPLES / TRIM_BLOCK + 1)

#if NETWORK_ROWS != FRONT_END_BANDS
#error "the network takes another number of bands than the front end gives"
#endif

static sample frame[FRONT_END_FRAME];
static block_power powers[N_BLOCKS]; /* of every 20 ms */
static sample_level peaks[N_BLOCKS];
static int n_frame, n_block, n_blocks, n_frames;
static int32_t n_samples;

/* Where the bands of a frame are kept: in the memory that the network reads them from. */
static band_power *bands_of(int i)
{
    return (band_power *)(void *)network_input() + (int32_t)i * NETWORK_ROWS;
}

void front_end_start(void)
{
    n_frame = n_block = n_blocks = n_frames = 0;
    n_samples = 0;
    powers[0] = 0;
    peaks[0] = 0;
}

/* Puts the power of the frame's bands behind those of the frames before. */
static void transform(void)
{
    if (n_frames < NETWORK_MAX_FRAMES)
        mel_frame(frame, bands_of(n_frames++));
}

/* Power and peak of every 20 ms, by which quiet ends are told. */
static void measure(const sample *samples, int n)
{
    int i = 0;
    while (i < n) {
        const int count = n - i < TRIM_BLOCK - n_block ? n - i : TRIM_BLOCK - n_block;
        mel_measure(samples + i, count, &powers[n_blocks], &peaks[n_blocks]);
        i += count;
        n_block += count;
        if (n_block == TRIM_BLOCK) {
            n_block = 0;
            n_blocks++;
            powers[n_blocks] = 0;
            peaks[n_blocks] = 0;
        }
    }
}

int front_end_feed(const sample *samples, int n)
{
    int i = 0;
    if (n > VOCALICS_LONGEST_SAMPLES - n_samples)
        n = (int)(VOCALICS_LONGEST_SAMPLES - n_samples);
    measure(samples, n);
    n_samples += n;
    while (i < n) {
        const int count = n - i < FRONT_END_FRAME - n_frame ? n - i : FRONT_END_FRAME - n_frame;
        memcpy(frame + n_frame, samples + i, (size_t)count * sizeof(sample));
        n_frame += count;
        i += count;
        if (n_frame == FRONT_END_FRAME) {
            transform();
            n_frame -= FRONT_END_HOP;
            memmove(frame, frame + FRONT_END_HOP, (size_t)n_frame * sizeof(sample));
        }
    }
    return n;
}

/* Where the loud part begins and ends, with its margins, in samples; the whole clip where nothing is loud. */
static void loud_part(int32_t *start, int32_t *end)
{
    block_power loudest = 0;
    int first = 0, last = n_blocks, i;
    *start = 0;
    *end = n_samples;
    for (i = 0; i < n_blocks; i++)
        loudest = powers[i] > loudest ? powers[i] : loudest;
    if (!(loudest > 0))
        return;
    while (first < n_blocks - 1 && !mel_is_loud(powers[first], loudest))
        first++;
    while (last > first + 1 && !mel_is_loud(powers[last - 1], loudest))
        last--;
    if ((int32_t)first * TRIM_BLOCK > TRIM_MARGIN)
        *start = (int32_t)first * TRIM_BLOCK - TRIM_MARGIN;
    if ((int32_t)last * TRIM_BLOCK + TRIM_MARGIN < n_samples)
        *end = (int32_t)last * TRIM_BLOCK + TRIM_MARGIN;
}

int front_end_finish(void)
{
    sample_level peak = 0;
    int32_t start, end;
    int first, count, block;
    if (n_samples == 0)
        return 0;
    if (n_samples < FRONT_END_FRAME) { /* padded to one frame */
        memset(frame + n_frame, 0, (size_t)(FRONT_END_FRAME - n_frame) * sizeof(sample));
        transform();
    }
    loud_part(&start, &end);
    if (end - start < FRONT_END_FRAME) { /* cannot be where the margins are longer than a frame */
        start = 0;
        end = n_samples;
    }
    for (block = (int)(start / TRIM_BLOCK); (int32_t)block * TRIM_BLOCK < end; block++)
        peak = peaks[block] > peak ? peaks[block] : peak;
    first = (int)(start / FRONT_END_HOP);
    count = end < FRONT_END_FRAME ? 1 : 1 + (int)((end - start - FRONT_END_FRAME) / FRONT_END_HOP);
    if (count > n_frames - first)
        count = n_frames - first;
    if (first > 0)
        memmove(bands_of(0), bands_of(first), (size_t)count * NETWORK_ROWS * sizeof(band_power));
    mel_finish(bands_of(0), (int32_t)count * NETWORK_ROWS, peak);
    return count;
}
