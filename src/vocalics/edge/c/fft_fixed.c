/* The same transform as in fft.c. As the magnitudes of all samples together are below 2^30, so are those of all sums on
   the way: nothing overflows, and nothing has to be scaled down. Every turn rounds once.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "fft_fixed.h"

#include "fixed.h"

#define HALF (FFT_SIZE / 2)
#define QUARTER (FFT_SIZE / 4)
#define ROUNDING (1 << (FRACTION_BITS - 1))

/* e^(-2 pi i k / FFT_SIZE) = COSINE(k) + i MINUS_SINE(k); k < 3/4 FFT_SIZE. */
#define COSINE(k) fft_cosines[k]
#define MINUS_SINE(k) fft_cosines[(k) + QUARTER]

/* The real and the imaginary part of (r + i j) times e^(-2 pi i k / FFT_SIZE). */
static int32_t turned_real(int32_t r, int32_t j, int k)
{
    return (int32_t)(((int64_t)r * COSINE(k) - (int64_t)j * MINUS_SINE(k) + ROUNDING) >> FRACTION_BITS);
}

static int32_t turned_imaginary(int32_t r, int32_t j, int k)
{
    return (int32_t)(((int64_t)r * MINUS_SINE(k) + (int64_t)j * COSINE(k) + ROUNDING) >> FRACTION_BITS);
}

/* One step of four: n numbers are left to be transformed, in `stride` sets that lie side by side. */
static void step_of_four(int n, int stride, const int32_t *xr, const int32_t *xi, int32_t *yr, int32_t *yi)
{
    const int quarter = n / 4, apart = quarter * stride;
    int p, q;
    for (p = 0; p < quarter; p++) {
        const int turn = 2 * p * stride;
        const int32_t *ar = xr + p * stride, *ai = xi + p * stride;
        int32_t *br = yr + 4 * p * stride, *bi = yi + 4 * p * stride;
        for (q = 0; q < stride; q++) {
            const int32_t r0 = ar[q], r1 = ar[q + apart], r2 = ar[q + 2 * apart], r3 = ar[q + 3 * apart];
            const int32_t i0 = ai[q], i1 = ai[q + apart], i2 = ai[q + 2 * apart], i3 = ai[q + 3 * apart];
            const int32_t er = r0 + r2, ei = i0 + i2, fr = r0 - r2, fi = i0 - i2;
            const int32_t gr = r1 + r3, gi = i1 + i3, hr = i1 - i3, hi = r3 - r1; /* h = -i (x1 - x3) */
            br[q] = er + gr;
            bi[q] = ei + gi;
            br[q + stride] = turned_real(fr + hr, fi + hi, turn);
            bi[q + stride] = turned_imaginary(fr + hr, fi + hi, turn);
            br[q + 2 * stride] = turned_real(er - gr, ei - gi, 2 * turn);
            bi[q + 2 * stride] = turned_imaginary(er - gr, ei - gi, 2 * turn);
            br[q + 3 * stride] = turned_real(fr - hr, fi - hi, 3 * turn);
            bi[q + 3 * stride] = turned_imaginary(fr - hr, fi - hi, 3 * turn);
        }
    }
}

static void step_of_two(int stride, const int32_t *xr, const int32_t *xi, int32_t *yr, int32_t *yi)
{
    int q;
    for (q = 0; q < stride; q++) {
        yr[q] = xr[q] + xr[q + stride];
        yi[q] = xi[q] + xi[q + stride];
        yr[q + stride] = xr[q] - xr[q + stride];
        yi[q + stride] = xi[q] - xi[q + stride];
    }
}

static uint64_t power_of(int32_t r, int32_t j)
{
    return (uint64_t)((int64_t)r * r) + (uint64_t)((int64_t)j * j);
}

void fft_power_fixed(int32_t *parts, uint64_t *power)
{
    int32_t *real = parts, *imaginary = parts + HALF, *other = parts + FFT_SIZE;
    int n, stride = 1, k;
    for (n = HALF; n > 1; n /= 4) {
        int32_t *before = real;
        if (n >= 4)
            step_of_four(n, stride, real, imaginary, other, other + HALF);
        else
            step_of_two(stride, real, imaginary, other, other + HALF);
        stride *= 4;
        real = other;
        imaginary = other + HALF;
        other = before;
    }
    /* The samples were real: bin k and bin HALF - k of the complex numbers hold both halves of bins k and HALF - k. */
    power[0] = power_of(real[0] + imaginary[0], 0);
    power[HALF] = power_of(real[0] - imaginary[0], 0);
    for (k = 1; k <= HALF / 2; k++) {
        const int32_t er = (real[k] + real[HALF - k]) >> 1, ei = (imaginary[k] - imaginary[HALF - k]) >> 1;
        const int32_t dr = (imaginary[k] + imaginary[HALF - k]) >> 1, di = (real[HALF - k] - real[k]) >> 1;
        const int32_t tr = turned_real(dr, di, k), ti = turned_imaginary(dr, di, k);
        power[k] = power_of(er + tr, ei + ti);
        power[HALF - k] = power_of(er - tr, ei - ti);
    }
}
