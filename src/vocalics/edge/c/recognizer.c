/* One window: the voicing gate, the front end, the network.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>
#include <string.h>

#include "network.h"
#include "vocalics.h"

#if NETWORK_N_CLASSES != VOCALICS_N_EMOTIONS
#error "the network tells another number of emotions than the card names"
#endif

#if VOCALICS_TAKES_SOUND
#include "front_end.h"
#include "speech.h"

void vocalics_start(void)
{
    front_end_start();
    speech_start();
}

static int feed(const sample *samples, int n)
{
    const int n_taken = front_end_feed(samples, n);
    speech_feed(samples, n_taken);
    return n_taken;
}

/* Samples of the other kind are converted piece by piece. */
#define PIECE 64
#if VOCALICS_IS_FIXED
#define FEED_AS_IT_IS vocalics_feed_16
#define FEED_CONVERTED vocalics_feed
typedef float other_sample;

static sample converted(float x)
{
    const float steps = x * 32768.0f + (x < 0.0f ? -0.5f : 0.5f);
    return (sample)(steps > -32768.0f ? (steps < 32767.0f ? steps : 32767.0f) : -32768.0f);
}
#else
#define FEED_AS_IT_IS vocalics_feed
#define FEED_CONVERTED vocalics_feed_16
typedef int16_t other_sample;

static sample converted(int16_t x)
{
    return (sample)x / 32768.0f;
}
#endif

int FEED_AS_IT_IS(const sample *samples, int n)
{
    return feed(samples, n);
}

int FEED_CONVERTED(const other_sample *samples, int n)
{
    sample piece[PIECE];
    int n_taken = 0, wanted, got, i;
    do {
        wanted = n - n_taken < PIECE ? n - n_taken : PIECE;
        for (i = 0; i < wanted; i++)
            piece[i] = converted(samples[n_taken + i]);
        got = feed(piece, wanted);
        n_taken += got;
    } while (got == PIECE);
    return n_taken;
}
#else
static int32_t n_values;

void vocalics_start(void)
{
    n_values = 0;
}

int vocalics_feed(const float *samples, int n)
{
    const int32_t room = (int32_t)NETWORK_ROWS * NETWORK_MAX_FRAMES - n_values;
    n = n < room ? n : (int)room;
    memcpy(network_input() + n_values, samples, (size_t)n * sizeof(float));
    n_values += n;
    return n;
}
#endif

int vocalics_finish(vocalics_result *result)
{
    int n_frames, i;
    memset(result, 0, sizeof *result);
    result->emotion = -1;
#if VOCALICS_TAKES_SOUND
    result->speech_seconds = speech_finish();
    if (!(result->speech_seconds > 0.0f))
        return 0;
    n_frames = front_end_finish();
#else
    n_frames = (int)(n_values / NETWORK_ROWS);
    if (n_values % NETWORK_ROWS != 0)
        return -1;
#endif
    if (network_run(n_frames, result->probabilities, &result->strangeness) != 0)
        return -1;
    result->emotion = 0;
    for (i = 1; i < VOCALICS_N_EMOTIONS; i++)
        if (result->probabilities[i] > result->probabilities[result->emotion])
            result->emotion = i;
    return 0;
}
