/* Half as many complex numbers as there are samples are transformed, then the two halves are told apart. The transform
   is Stockham's, in steps of four: in order without sorting, from one pair of arrays into another, real and imaginary
   parts apart, so that a compiler can make vector code of the loops.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "fft.h"

#include "tables.h"

#define HALF (FFT_SIZE / 2)
#define QUARTER (FFT_SIZE / 4)

/* e^(-2 pi i k / FFT_SIZE) = COSINE(k) + i MINUS_SINE(k); k < 3/4 FFT_SIZE. */
#define COSINE(k) fft_cosines[k]
#define MINUS_SINE(k) fft_cosines[(k) + QUARTER]

/* One step of four: n numbers are left to be transformed, in `stride` sets that lie side by side. */
static void step_of_four(int n, int stride, const float *restrict xr, const float *restrict xi, float *restrict yr,
                         float *restrict yi)
{
    const int quarter = n / 4, turn = 2 * stride, apart = quarter * stride;
    int p, q;
    for (p = 0; p < quarter; p++) {
        const float c1 = COSINE(p * turn), s1 = MINUS_SINE(p * turn);
        const float c2 = COSINE(2 * p * turn), s2 = MINUS_SINE(2 * p * turn);
        const float c3 = COSINE(3 * p * turn), s3 = MINUS_SINE(3 * p * turn);
        const float *ar = xr + p * stride, *ai = xi + p * stride;
        float *br = yr + 4 * p * stride, *bi = yi + 4 * p * stride;
        for (q = 0; q < stride; q++) {
            const float r0 = ar[q], r1 = ar[q + apart], r2 = ar[q + 2 * apart], r3 = ar[q + 3 * apart];
            const float i0 = ai[q], i1 = ai[q + apart], i2 = ai[q + 2 * apart], i3 = ai[q + 3 * apart];
            const float er = r0 + r2, ei = i0 + i2, fr = r0 - r2, fi = i0 - i2;
            const float gr = r1 + r3, gi = i1 + i3, hr = i1 - i3, hi = r3 - r1; /* h = -i (x1 - x3) */
            const float ur = fr + hr, ui = fi + hi, vr = er - gr, vi = ei - gi, wr = fr - hr, wi = fi - hi;
            br[q] = er + gr;
            bi[q] = ei + gi;
            br[q + stride] = ur * c1 - ui * s1;
            bi[q + stride] = ur * s1 + ui * c1;
            br[q + 2 * stride] = vr * c2 - vi * s2;
            bi[q + 2 * stride] = vr * s2 + vi * c2;
            br[q + 3 * stride] = wr * c3 - wi * s3;
            bi[q + 3 * stride] = wr * s3 + wi * c3;
        }
    }
}

static void step_of_two(int stride, const float *restrict xr, const float *restrict xi, float *restrict yr,
                        float *restrict yi)
{
    int q;
    for (q = 0; q < stride; q++) {
        yr[q] = xr[q] + xr[q + stride];
        yi[q] = xi[q] + xi[q + stride];
        yr[q + stride] = xr[q] - xr[q + stride];
        yi[q + stride] = xi[q] - xi[q + stride];
    }
}

void fft_power(float *parts, float *power)
{
    float *real = parts, *imaginary = parts + HALF, *other = parts + FFT_SIZE;
    int n, stride = 1, k;
    for (n = HALF; n > 1; n /= 4) {
        float *before = real;
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
    power[0] = (real[0] + imaginary[0]) * (real[0] + imaginary[0]);
    power[HALF] = (real[0] - imaginary[0]) * (real[0] - imaginary[0]);
    for (k = 1; k <= HALF / 2; k++) {
        const float er = 0.5f * (real[k] + real[HALF - k]), ei = 0.5f * (imaginary[k] - imaginary[HALF - k]);
        const float dr = 0.5f * (imaginary[k] + imaginary[HALF - k]), di = 0.5f * (real[HALF - k] - real[k]);
        const float tr = dr * COSINE(k) - di * MINUS_SINE(k), ti = dr * MINUS_SINE(k) + di * COSINE(k);
        power[k] = (er + tr) * (er + tr) + (ei + ti) * (ei + ti);
        power[HALF - k] = (er - tr) * (er - tr) + (ei - ti) * (ei - ti);
    }
}
