/* The gate of speech.c in fixed point. Samples at RATE have LEVEL_BITS digits below those of 16 bits, so that a voice that
   a loud rumble leaves is still heard.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "speech.h"

#include <string.h>

#include "fixed.h"
#include "gate.h"

#define LEVEL_BITS 8
#define SCALED_BITS 11  /* of the samples that a frame is correlated with itself in: no sum of 32 bits overflows */
#define RATIO_BITS 20   /* of squares of correlations */
#define LEVELS_BITS 10  /* of levels, in powers of two */
#define DECIBELS 3.0103f /* of a power of two */
#define PERIODIC_SQUARE ((int32_t)(PERIODIC * PERIODIC * (1 << RATIO_BITS)))
#define STEADY_SQUARE ((int32_t)(STEADY_DB * STEADY_DB / (DECIBELS * DECIBELS) * (1 << (2 * LEVELS_BITS))))
#define SECONDS_BITS 24

#if GATE_UP != 1
#error "the gate in fixed point needs a sample rate that is a multiple of its own"
#endif

static sample held[2 * GATE_TAPS]; /* of the low-pass that comes before every GATE_DOWN-th sample is taken */
static int32_t raw[ROOM];          /* at RATE, from BEHIND before the next samples to be filtered */
static int32_t rumble[N_RUMBLE];   /* the first one is RUMBLE_TAPS / 2 - 1 steps before these */
static int32_t filtered[FRAME];    /* without rumble */
static int64_t frame_power[N_FRAMES]; /* of every frame; negative where it is not periodic */
static int n_held, first_held, n_raw, is_silent;
static int32_t n_level, n_filtered, n_frames, n_fed;

void speech_start(void)
{
    n_held = GATE_TAPS / 2 - 1; /* silence before the first sample */
    first_held = 0;
    memset(held, 0, sizeof held);
    memset(raw, 0, sizeof raw);
    n_raw = BEHIND;
    n_level = n_filtered = n_frames = n_fed = 0;
    is_silent = 1;
}

/* The samples less their mean; returns their power. */
static int64_t centred(const int32_t *samples, int32_t *out)
{
    int64_t mean = 0, sum = 0;
    int i;
    for (i = 0; i < FRAME; i++)
        mean += samples[i];
    mean /= FRAME;
    for (i = 0; i < FRAME; i++) {
        out[i] = samples[i] - (int32_t)mean;
        sum += (int64_t)out[i] * out[i];
    }
    return sum;
}

/* A frame of SCALED_BITS bits, with silence behind it. */
static void scaled(const int32_t *frame, int16_t *out)
{
    uint32_t all = 0;
    int i, shift;
    for (i = 0; i < FRAME; i++)
        all |= (uint32_t)(frame[i] < 0 ? -frame[i] : frame[i]);
    shift = fixed_bits(all) - SCALED_BITS;
    for (i = 0; i < FRAME; i++)
        out[i] = (int16_t)(shift > 0 ? frame[i] >> shift : frame[i] * (1 << -shift));
    memset(out + FRAME, 0, (LAST_LAG + 2) * sizeof(int16_t));
}

/* Whether a frame has a peak of its normalised autocorrelation above PERIODIC. */
static int periodic(const int32_t *frame)
{
    int16_t x[FRAME + LAST_LAG + 2];
    int32_t sums[N_LAGS] = {0}, before = 0, here = 0, total = 0, head, tail;
    int64_t least;
    int i, lag;
    scaled(frame, x);
    for (i = 0; i < FRAME; i++) {
        const int16_t *later = x + i + FIRST_LAG - 1;
        total += x[i] * x[i];
        for (lag = 0; lag < N_LAGS && i < FRAME - FIRST_LAG + 1; lag++)
            sums[lag] += x[i] * later[lag];
    }
    least = (int64_t)total * total >> 20;
    head = tail = total;
    for (lag = 1; lag <= LAST_LAG + 1; lag++) {
        int64_t share, square;
        int32_t after;
        head -= x[FRAME - lag] * x[FRAME - lag];
        tail -= x[lag - 1] * x[lag - 1];
        if (lag < FIRST_LAG - 1)
            continue;
        share = (int64_t)head * tail;
        share = (share > least ? share : least) >> RATIO_BITS;
        square = (int64_t)sums[lag - FIRST_LAG + 1] * sums[lag - FIRST_LAG + 1];
        after = sums[lag - FIRST_LAG + 1] > 0 ? (int32_t)(square / share) : 0;
        if (lag > FIRST_LAG && here > PERIODIC_SQUARE && here > before && here >= after)
            return 1;
        before = here;
        here = after;
    }
    return 0;
}

/* Finds the rumble from the n-th place of those for the next samples on. */
static void find_rumble(int n)
{
    for (; n < N_RUMBLE; n++) {
        const int32_t *samples = raw + n * RUMBLE_STEP;
        int64_t sum = 0;
        int tap;
        for (tap = 0; tap <= 2 * RUMBLE_HALF; tap++)
            sum += (int64_t)samples[tap] * gate_rumble[tap];
        rumble[n] = (int32_t)(sum >> FRACTION_BITS);
    }
}

/* Filters the next HOP samples; with those before they are a frame, which is judged. */
static void next_hop(void)
{
    const int32_t *samples = raw + BEHIND;
    int32_t frame[FRAME];
    int64_t power, raw_power;
    int i, k, tap;
    memmove(filtered, filtered + HOP, (FRAME - HOP) * sizeof(int32_t));
    memmove(rumble, rumble + N_NEW, (RUMBLE_TAPS - 1) * sizeof(int32_t));
    find_rumble(n_filtered == 0 ? 0 : RUMBLE_TAPS - 1);
    for (i = 0; i < N_NEW; i++)
        for (k = 0; k < RUMBLE_STEP; k++) {
            int64_t low = 0;
            for (tap = 0; tap < RUMBLE_TAPS; tap++)
                low += (int64_t)gate_between[k * RUMBLE_TAPS + tap] * rumble[i + tap];
            filtered[FRAME - HOP + i * RUMBLE_STEP + k] = samples[i * RUMBLE_STEP + k] - (int32_t)(low >> FRACTION_BITS);
        }
    n_filtered += HOP;
    if (n_filtered >= FRAME && n_frames < N_FRAMES) {
        raw_power = centred(samples + HOP - FRAME, frame);
        power = centred(filtered, frame);
        if (2 * power > (int64_t)(2 * RINGING) * raw_power || power < raw_power / (int64_t)(1 / DROWNED))
            power = 0;
        frame_power[n_frames++] = power > 0 && periodic(frame) ? power : -power;
    }
    n_raw -= HOP;
    memmove(raw, raw + HOP, (size_t)n_raw * sizeof(int32_t));
}

static void take(int32_t level)
{
    n_level++;
    raw[n_raw++] = level;
    if (n_raw == ROOM)
        next_hop();
}

/* Takes samples at RATE out of those that are held. */
static void take_held(void)
{
    while (first_held + GATE_TAPS <= n_held) {
        int64_t sum = 0;
        int tap;
        for (tap = 0; tap < GATE_TAPS; tap++)
            sum += (int64_t)held[first_held + tap] * gate_rows[tap];
        first_held += GATE_DOWN;
        take((int32_t)(sum >> (FRACTION_BITS - LEVEL_BITS)));
    }
}

/* Holds up to n samples, or as many zeros where there are none; returns how many. */
static int hold(const sample *samples, int n)
{
    const int n_old = first_held < n_held ? first_held : n_held;
    n_held -= n_old;
    first_held -= n_old;
    memmove(held, held + n_old, (size_t)n_held * sizeof(sample));
    n = n < 2 * GATE_TAPS - n_held ? n : 2 * GATE_TAPS - n_held;
    if (samples)
        memcpy(held + n_held, samples, (size_t)n * sizeof(sample));
    else
        memset(held + n_held, 0, (size_t)n * sizeof(sample));
    n_held += n;
    return n;
}

void speech_feed(const sample *samples, int n)
{
    int i;
    for (i = 0; i < n && is_silent; i++)
        is_silent = samples[i] == 0;
    n_fed += n;
    while (n > 0) {
        const int taken = hold(samples, n);
        samples += taken;
        n -= taken;
        take_held();
    }
}

/* What is left in the filters comes out behind silence. */
static void flush(void)
{
    const int32_t total = (2 * n_fed + GATE_DOWN) / (2 * GATE_DOWN);
    const int32_t wanted = total < FRAME ? 0 : 1 + (total - FRAME) / HOP;
    while (n_level < total) {
        (void)hold(0, GATE_DOWN);
        take_held();
    }
    while (n_frames < wanted)
        take(0);
    n_frames = wanted; /* the last ones may reach behind the end */
}

/* Whether frame i is periodic and no echo. */
static int voiced(int32_t i, int64_t strongest)
{
    return i < n_frames && frame_power[i] > strongest / (int64_t)(1 / RANGE);
}

float speech_finish(void)
{
    int64_t strongest = 0, sum = 0, square = 0;
    int32_t i, n_voiced = 0, run = 0;
    float seconds = 0.0f;
    flush();
    if (4 * n_fed < VOCALICS_RATE || is_silent)
        return seconds;
    for (i = 0; i < n_frames; i++)
        strongest = frame_power[i] > strongest ? frame_power[i] : strongest;
    if (strongest == 0)
        return seconds;
    for (i = 0; i <= n_frames; i++) {
        if (voiced(i, strongest)) {
            run++;
            continue;
        }
        if (run >= RUN) { /* the run ends here */
            n_voiced += run;
            for (; run > 0; run--) {
                const int32_t level = fixed_log2((uint64_t)frame_power[i - run]) - fixed_log2((uint64_t)strongest);
                sum += level >> (LOG_BITS - LEVELS_BITS);
                square += (int64_t)(level >> (LOG_BITS - LEVELS_BITS)) * (level >> (LOG_BITS - LEVELS_BITS));
            }
        }
        run = 0;
    }
    if (n_voiced < LEAST_VOICED || n_voiced * square - sum * sum < (int64_t)STEADY_SQUARE * n_voiced * n_voiced)
        return seconds;
    fixed_to_float((int32_t)((((int64_t)n_voiced * HOP << SECONDS_BITS) + RATE / 2) / RATE), SECONDS_BITS, &seconds);
    return seconds;
}
