/* Mel-frequency cepstral coefficients, frame by frame, of an excerpt that is padded to its whole length: the input of the
   2-D networks (vocalics.features.feature_set, mfcc_frames).

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "front_end.h"
#include "levels.h"
#include "network.h"
#include "tables.h"

#if NETWORK_ROWS != FRONT_END_COEFFICIENTS
#error "the network takes another number of coefficients than the front end gives"
#endif

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

void levels_frame(int frame, const float *power, const float *bands)
{
    (void)frame; /* the levels are all that counts */
    (void)power;
    (void)bands;
}

int front_end_finish(void)
{
    float *coefficients = network_input();
    const int n_frames = levels_finish(1);
    int frame, i, band;
    for (frame = 0; frame < n_frames; frame++) {
        float levels[FRONT_END_BANDS];
        levels_of(frame, levels);
        for (i = 0; i < FRONT_END_COEFFICIENTS; i++) {
            const float *cosines = front_end_cepstrum + i * FRONT_END_BANDS;
            float sum = 0.0f;
            for (band = 0; band < FRONT_END_BANDS; band++)
                sum += cosines[band] * levels[band];
            *coefficients++ = sum;
        }
    }
    return n_frames;
}
