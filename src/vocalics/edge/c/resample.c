/* Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "resample.h"

#include <string.h>

void resample_start(resampler *r)
{
    r->n_held = r->n_taps / 2 - 1; /* silence before the first sample */
    memset(r->held, 0, (size_t)r->n_held * sizeof(float));
    r->first = 0;
    r->position = 0;
    r->n_in = r->n_out = 0;
}

/* Makes room: forgets what no later sample needs. */
static void forget(resampler *r)
{
    const int n = r->first < r->n_held ? r->first : r->n_held;
    if (n > 0) {
        r->n_held -= n;
        r->first -= n;
        memmove(r->held, r->held + n, (size_t)r->n_held * sizeof(float));
    }
}

/* Takes n samples, or as many zeros where there are none. */
static int take(resampler *r, const float *samples, int n)
{
    if (n > r->size - r->n_held)
        forget(r);
    if (n > r->size - r->n_held)
        n = r->size - r->n_held;
    if (samples)
        memcpy(r->held + r->n_held, samples, (size_t)n * sizeof(float));
    else
        memset(r->held + r->n_held, 0, (size_t)n * sizeof(float));
    r->n_held += n;
    return n;
}

int resample_take(resampler *r, const float *samples, int n)
{
    const int n_taken = take(r, samples, n);
    r->n_in += n_taken;
    return n_taken;
}

/* Sixteen sums side by side, of which a compiler can make vector code. */
float resample_product(const float *restrict a, const float *restrict b, int n)
{
    float sums[16] = {0};
    int i, k, half;
    for (i = 0; i + 16 <= n; i += 16)
        for (k = 0; k < 16; k++)
            sums[k] += a[i + k] * b[i + k];
    for (k = 0; i < n; i++, k++)
        sums[k] += a[i] * b[i];
    for (half = 8; half > 0; half /= 2)
        for (k = 0; k < half; k++)
            sums[k] += sums[k + half];
    return sums[0];
}

int resample_give(resampler *r, float *samples, int n)
{
    int i;
    for (i = 0; i < n && r->first + r->n_taps <= r->n_held; i++) {
        const float *held = r->held + r->first;
        if (r->n_rows == r->up) {
            samples[i] = resample_product(held, r->rows + (int32_t)r->n_taps * r->position, r->n_taps);
        } else {
            const int64_t place = (int64_t)r->position * r->n_rows;
            const float *row = r->rows + (int32_t)r->n_taps * (int32_t)(place / r->up);
            const float share = (float)(place % r->up) / (float)r->up;
            const float here = resample_product(held, row, r->n_taps);
            const float there = resample_product(held, row + r->n_taps, r->n_taps);
            samples[i] = here + share * (there - here);
        }
        r->position += r->down;
        r->first += (int)(r->position / r->up);
        r->position %= r->up;
    }
    r->n_out += i;
    return i;
}

int resample_rest(resampler *r, float *samples, int n)
{
    const int64_t total = (2 * r->n_in * r->up + r->down) / (2 * (int64_t)r->down);
    int n_given = 0;
    while (n_given < n && r->n_out < total) {
        const int64_t left = total - r->n_out;
        const int wanted = left < n - n_given ? (int)left : n - n_given;
        const int got = resample_give(r, samples + n_given, wanted);
        n_given += got;
        if (got < wanted)
            take(r, 0, r->size);
    }
    return n_given;
}

#define PI 3.14159265358979323846
#define ROLL_OFF 0.9135   /* of half the lower rate: the end of the pass band */
#define ATTENUATION 129.0 /* dB */

/* sin(pi x), by its series, to 1e-12. */
static double sine_of_half_turns(double x)
{
    const double whole = (double)(int64_t)(x + (x < 0 ? -0.5 : 0.5));
    const double angle = PI * (x - whole), square = angle * angle;
    double term = angle, sum = angle;
    int k;
    for (k = 2; k < 20; k += 2) {
        term *= -square / (k * (k + 1));
        sum += term;
    }
    return (int64_t)whole % 2 ? -sum : sum;
}

/* The modified Bessel function of order 0, of which Kaiser's window is made, of a square root: I0(sqrt(x)). */
static double bessel(double x)
{
    double term = 1, sum = 1;
    int k;
    for (k = 1; k < 60 && term > 1e-12 * sum; k++) {
        term *= x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

static int32_t common_divisor(int32_t a, int32_t b)
{
    while (b) {
        const int32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int resample_design(resampler *r, int32_t rate_in, int32_t rate_out, float *rows, int n_numbers)
{
    const int32_t divisor = common_divisor(rate_in, rate_out);
    const double ratio = rate_out < rate_in ? (double)rate_out / rate_in : 1.0;
    const double cutoff = ratio * (1 + ROLL_OFF) / 2, beta = 0.1102 * (ATTENUATION - 8.7);
    const int half = (int)((ATTENUATION - 7.95) / (14.36 * (1 - ROLL_OFF)) / ratio) + 1;
    const double scale = cutoff / bessel(beta * beta);
    int row, tap;
    r->up = rate_out / divisor;
    r->down = rate_in / divisor;
    r->n_taps = 2 * half;
    r->n_rows = n_numbers / r->n_taps - 1;
    if (r->n_rows < 1)
        return -1;
    if (r->n_rows > r->up)
        r->n_rows = (int)r->up;
    r->rows = rows;
    for (row = 0; row <= r->n_rows; row++)
        for (tap = 0; tap < r->n_taps; tap++) {
            const double time = (double)row / r->n_rows + half - 1 - tap, at = time / half;
            const double sinc = time == 0 ? 1 : sine_of_half_turns(cutoff * time) / (PI * cutoff * time);
            const double window = at * at < 1 ? bessel(beta * beta * (1 - at * at)) : 0;
            rows[row * r->n_taps + tap] = (float)(scale * sinc * window);
        }
    return 0;
}
