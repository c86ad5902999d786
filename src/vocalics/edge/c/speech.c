/* Speech is told by its voiced sounds: frames of 40 ms at 4 kHz that repeat themselves at a pitch of 60 to 500 Hz, by the
   normalised autocorrelation (Boersma 1993), hence at any level. The same as vocalics.segment.voicing in Python, but that
   the filter against rumble is one of 2 * RUMBLE_HALF samples here, not of the whole clip, so that no more has to be held.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "speech.h"

#include <string.h>

#include "gate.h"
#include "maths.h"
#include "resample.h"
#include "tables.h"

#define PIECE 64

static resampler to_gate;
static float held[GATE_TAPS + GATE_TAPS / 4 + PIECE]; /* of the resampler */
static float raw[ROOM];        /* at RATE, from BEHIND before the next samples to be filtered */
static float rumble[N_RUMBLE]; /* the first one is RUMBLE_TAPS / 2 - 1 steps before these */
static float filtered[FRAME];  /* without rumble */
static float frame_power[N_FRAMES]; /* of every frame; negative where it is not periodic */
static int n_raw;
static int32_t n_level, n_filtered, n_frames, n_fed;
static float peak;

void speech_start(void)
{
    to_gate.up = GATE_UP;
    to_gate.down = GATE_DOWN;
    to_gate.n_rows = GATE_ROWS;
    to_gate.n_taps = GATE_TAPS;
    to_gate.rows = gate_rows;
    to_gate.held = held;
    to_gate.size = (int)(sizeof held / sizeof held[0]);
    resample_start(&to_gate);
    memset(raw, 0, sizeof raw);
    n_raw = BEHIND; /* silence before the first sample */
    n_level = n_filtered = n_frames = n_fed = 0;
    peak = 0.0f;
}

/* The samples less their mean; returns their power. */
static float centred(const float *samples, float *out)
{
    float mean = 0.0f, sum = 0.0f;
    int i;
    for (i = 0; i < FRAME; i++)
        mean += samples[i];
    mean /= FRAME;
    for (i = 0; i < FRAME; i++) {
        out[i] = samples[i] - mean;
        sum += out[i] * out[i];
    }
    return sum;
}

/* The products of a frame with itself, FIRST_LAG - 1 and more samples later. The sums of all lags grow side by side, so
   that a compiler can make vector code of them. */
static void autocorrelation(const float *restrict frame, float *restrict sums)
{
    float x[FRAME + LAST_LAG + 2];
    int i, k;
    memcpy(x, frame, FRAME * sizeof(float));
    memset(x + FRAME, 0, sizeof x - FRAME * sizeof(float));
    memset(sums, 0, N_LAGS * sizeof(float));
    for (i = 0; i < FRAME - FIRST_LAG + 1; i += 2) {
        const float *later = x + i + FIRST_LAG - 1;
        const float a = x[i], b = x[i + 1];
        for (k = 0; k < N_LAGS; k++)
            sums[k] += a * later[k] + b * later[k + 1];
    }
}

/* Whether a frame of power `total` has a peak of its normalised autocorrelation above PERIODIC. Squares of correlations
   are compared, with their sign, which spares the roots. */
static int periodic(const float *x, float total)
{
    float sums[N_LAGS], before = 0.0f, here = 0.0f, head = total, tail = total;
    int lag;
    autocorrelation(x, sums);
    for (lag = 1; lag <= LAST_LAG + 1; lag++) {
        float sum, share, after;
        head -= x[FRAME - lag] * x[FRAME - lag];
        tail -= x[lag - 1] * x[lag - 1];
        if (lag < FIRST_LAG - 1)
            continue;
        sum = sums[lag - FIRST_LAG + 1] / total;
        share = (head / total) * (tail / total);
        after = sum * math_abs(sum) / math_max(share, 1e-6f);
        if (lag > FIRST_LAG && here > PERIODIC * PERIODIC && here > before && here >= after)
            return 1;
        before = here;
        here = after;
    }
    return 0;
}

/* Finds the rumble from the n-th place of those for the next samples on. */
static void find_rumble(int n)
{
    for (; n < N_RUMBLE; n++)
        rumble[n] = resample_product(raw + n * RUMBLE_STEP, gate_rumble, 2 * RUMBLE_HALF + 1);
}

/* Filters the next HOP samples; with those before they are a frame, which is judged. */
static void next_hop(void)
{
    const float *samples = raw + BEHIND;
    float frame[FRAME], power, raw_power;
    int i, k, tap;
    memmove(filtered, filtered + HOP, (FRAME - HOP) * sizeof(float));
    memmove(rumble, rumble + N_NEW, (RUMBLE_TAPS - 1) * sizeof(float));
    find_rumble(n_filtered == 0 ? 0 : RUMBLE_TAPS - 1);
    for (i = 0; i < N_NEW; i++)
        for (k = 0; k < RUMBLE_STEP; k++) {
            float low = 0.0f;
            for (tap = 0; tap < RUMBLE_TAPS; tap++)
                low += gate_between[k * RUMBLE_TAPS + tap] * rumble[i + tap];
            filtered[FRAME - HOP + i * RUMBLE_STEP + k] = samples[i * RUMBLE_STEP + k] - low;
        }
    n_filtered += HOP;
    if (n_filtered >= FRAME && n_frames < N_FRAMES) {
        raw_power = centred(samples + HOP - FRAME, frame);
        power = centred(filtered, frame);
        if (power > RINGING * raw_power || power < DROWNED * raw_power)
            power = 0.0f;
        frame_power[n_frames++] = power > 0.0f && periodic(frame, power) ? power : -power;
    }
    n_raw -= HOP;
    memmove(raw, raw + HOP, (size_t)n_raw * sizeof(float));
}

static void take(const float *level, int n)
{
    int i;
    for (i = 0; i < n; i++) {
        raw[n_raw++] = level[i];
        if (n_raw == ROOM)
            next_hop();
    }
}

void speech_feed(const float *samples, int n)
{
    float level[PIECE];
    int i, got;
    for (i = 0; i < n; i++)
        peak = math_max(peak, math_abs(samples[i]));
    n_fed += n;
    while (n > 0) {
        const int taken = resample_take(&to_gate, samples, n);
        samples += taken;
        n -= taken;
        while ((got = resample_give(&to_gate, level, PIECE)) > 0) {
            n_level += got;
            take(level, got);
        }
    }
}

/* What is left in the filters comes out behind silence. */
static void flush(void)
{
    static const float silence[HOP];
    float level[PIECE];
    int32_t wanted;
    int got;
    while ((got = resample_rest(&to_gate, level, PIECE)) > 0) {
        n_level += got;
        take(level, got);
    }
    wanted = n_level < FRAME ? 0 : 1 + (n_level - FRAME) / HOP;
    while (n_frames < wanted)
        take(silence, HOP);
    n_frames = wanted; /* the last ones may reach behind the end */
}

/* Whether frame i is periodic and no echo. */
static int voiced(int32_t i, float strongest)
{
    return i >= 0 && i < n_frames && frame_power[i] > RANGE * strongest;
}

float speech_finish(void)
{
    float strongest = 0.0f, sum = 0.0f, square = 0.0f;
    int32_t i, n_voiced = 0, run = 0;
    flush();
    if (4 * n_fed < VOCALICS_RATE || peak < SILENT_PEAK)
        return 0.0f;
    for (i = 0; i < n_frames; i++)
        strongest = math_max(strongest, frame_power[i]);
    if (!(strongest > 0.0f))
        return 0.0f;
    for (i = 0; i <= n_frames; i++) {
        if (voiced(i, strongest)) {
            run++;
            continue;
        }
        if (run >= RUN) { /* the run ends here */
            n_voiced += run;
            for (; run > 0; run--) {
                const float level = 4.34294482f * math_log(frame_power[i - run] / strongest); /* dB */
                sum += level;
                square += level * level;
            }
        }
        run = 0;
    }
    if (n_voiced < LEAST_VOICED)
        return 0.0f;
    sum /= (float)n_voiced;
    if (square / (float)n_voiced - sum * sum < STEADY_DB * STEADY_DB)
        return 0.0f;
    return (float)n_voiced * HOP / RATE;
}
