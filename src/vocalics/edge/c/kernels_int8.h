/* Layers of a network in whole numbers of eight bits. A number is (code - zero) * scale: activations are codes from 0
   to 255 with one scale and zero, weights from -127 to 127 with a scale for each output channel. Products are summed in
   32 bits and brought to the output's scale by a multiplication and a shift.

   Images lie in memory as in kernels.h. Weights: for each block of BLOCK output channels and each run of the input (a
   run is filled up with zeros to a multiple of four): four weights for each channel, by turns.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef VOCALICS_KERNELS_INT8_H
#define VOCALICS_KERNELS_INT8_H

#include "kernels.h"

/* How a layer's sums become codes. */
typedef struct {
    int zero_in;       /* the code of 0 in the input: what lies around it */
    int shift;         /* a code is zero_out + sum * multiplier / 2^shift */
    int zero_out;
    int least;         /* the smallest code: zero_out where the output is rectified, else 0 */
    int add_shift;     /* with a residual: add_zero + ((code - zero_out) * own_by + (other - other_zero) * other_by) */
    int own_by;        /*     / 2^add_shift */
    int other_by, other_zero;
    int add_zero, add_least;
} codes;

#if defined(__GNUC__) && !defined(VOCALICS_PORTABLE)
#define UNROLLED static inline __attribute__((always_inline))
#if defined(__AVX512VNNI__) && defined(__AVX512F__)
#include <immintrin.h>
#define CODES_VNNI 1
#define CODE_PIXELS 8
#elif defined(__AVX2__)
#include <immintrin.h>
#define CODES_AVX2 1
#define CODE_PIXELS 3
#elif defined(__aarch64__)
#include <arm_neon.h>
#define CODES_NEON 1
#define CODE_PIXELS 2
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#define CODES_DSP 1
#define CODE_PIXELS 2
#endif
#else
#define UNROLLED static inline
#endif
#ifndef CODE_PIXELS
#define CODE_PIXELS 1
#endif

/* The number that a code stands for. */
static inline float dequantise(uint8_t code, float scale, int zero)
{
    return (float)((int)code - zero) * scale;
}

/* The code of a number. */
static inline uint8_t quantise(float x, float scale, int zero)
{
    const float steps = x / scale, least = (float)-zero, most = (float)(255 - zero);
    const float within = steps < least ? least : (steps > most ? most : steps);
    return (uint8_t)((int)math_round(within) + zero);
}

/* Four codes or weights as one word, the first in the lowest byte. */
static inline uint32_t four(const void *bytes)
{
#if defined(__GNUC__) && !defined(VOCALICS_PORTABLE) && defined(__BYTE_ORDER__) && \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t word;
    __builtin_memcpy(&word, bytes, 4);
    return word;
#else
    const uint8_t *b = (const uint8_t *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
#endif
}

/* Sum up one block of output channels for n pixels, n at most CODE_PIXELS; see sum_pixels in kernels.h. */
UNROLLED void sum_codes(int n, const reach *r, const uint8_t *const *pixels, const int8_t *weights, int32_t *sums)
{
    const int fours = (r->run + 3) / 4;
#if defined(CODES_VNNI)
    const int8_t *w = weights;
    __m512i sum[CODE_PIXELS];
    for (int p = 0; p < n; p++)
        sum[p] = _mm512_setzero_si512();
    for (int s = 0; s < r->runs_steps; s++)
        for (int q = 0; q < r->runs_rows; q++)
            for (int j = 0; j < fours; j++, w += 4 * BLOCK) {
                const __m512i b = _mm512_loadu_si512((const void *)w);
                for (int p = 0; p < n; p++) {
                    const uint32_t x = four(pixels[p] + s * r->step + q * r->row + 4 * j);
                    sum[p] = _mm512_dpbusd_epi32(sum[p], _mm512_set1_epi32((int)x), b);
                }
            }
    for (int p = 0; p < n; p++)
        _mm512_storeu_si512((void *)(sums + p * BLOCK), sum[p]);
#elif defined(CODES_AVX2)
    const int8_t *w = weights;
    __m256i sum[CODE_PIXELS][4]; /* of each channel two halves */
    for (int p = 0; p < n; p++)
        for (int v = 0; v < 4; v++)
            sum[p][v] = _mm256_setzero_si256();
    for (int s = 0; s < r->runs_steps; s++)
        for (int q = 0; q < r->runs_rows; q++)
            for (int j = 0; j < fours; j++, w += 4 * BLOCK) {
                __m256i x[CODE_PIXELS];
                for (int p = 0; p < n; p++) {
                    const uint32_t word = four(pixels[p] + s * r->step + q * r->row + 4 * j);
                    x[p] = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128((int)word)));
                }
                for (int v = 0; v < 4; v++) {
                    const __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + 16 * v)));
                    for (int p = 0; p < n; p++)
                        sum[p][v] = _mm256_add_epi32(sum[p][v], _mm256_madd_epi16(x[p], b));
                }
            }
    for (int p = 0; p < n; p++)
        for (int v = 0; v < 4; v += 2) {
            const __m256i pairs = _mm256_hadd_epi32(sum[p][v], sum[p][v + 1]); /* of channels 0 1 4 5 2 3 6 7 */
            _mm256_storeu_si256((__m256i *)(void *)(sums + p * BLOCK + 4 * v),
                                _mm256_permute4x64_epi64(pairs, 0xd8));
        }
#elif defined(CODES_NEON)
    const int8_t *w = weights;
    int32x4_t sum[CODE_PIXELS][8]; /* of each channel two halves; codes are taken less 128, which is put right below */
    int32x4_t whole[8];
    for (int v = 0; v < 8; v++) {
        whole[v] = vdupq_n_s32(0);
        for (int p = 0; p < n; p++)
            sum[p][v] = vdupq_n_s32(0);
    }
    for (int s = 0; s < r->runs_steps; s++)
        for (int q = 0; q < r->runs_rows; q++)
            for (int j = 0; j < fours; j++, w += 4 * BLOCK) {
                int8x8_t x[CODE_PIXELS];
                for (int p = 0; p < n; p++)
                    x[p] = vreinterpret_s8_u32(
                        vdup_n_u32(four(pixels[p] + s * r->step + q * r->row + 4 * j) ^ 0x80808080u));
                for (int v = 0; v < 8; v++) {
                    const int8x8_t b = vld1_s8(w + 8 * v);
                    whole[v] = vpadalq_s16(whole[v], vmovl_s8(b));
                    for (int p = 0; p < n; p++)
                        sum[p][v] = vpadalq_s16(sum[p][v], vmull_s8(x[p], b));
                }
            }
    for (int p = 0; p < n; p++)
        for (int v = 0; v < 8; v += 2) {
            const int32x4_t a = vaddq_s32(sum[p][v], vshlq_n_s32(whole[v], 7));
            const int32x4_t b = vaddq_s32(sum[p][v + 1], vshlq_n_s32(whole[v + 1], 7));
            vst1q_s32(sums + p * BLOCK + 2 * v, vpaddq_s32(a, b));
        }
#elif defined(CODES_DSP)
    for (int k = 0; k < BLOCK; k += 2) { /* two channels and two pixels at a time: what fits into 13 registers */
        const uint8_t *const one = pixels[0], *const two = pixels[n - 1];
        const int8_t *w = weights + 4 * k;
        int32_t a = 0, b = 0, c = 0, d = 0;
        for (int s = 0; s < r->runs_steps; s++)
            for (int q = 0; q < r->runs_rows; q++) {
                const uint8_t *x = one + s * r->step + q * r->row, *y = two + s * r->step + q * r->row;
                for (int j = 0; j < fours; j++, w += 4 * BLOCK, x += 4, y += 4) {
                    const uint32_t x4 = four(x), y4 = four(y), u4 = four(w), v4 = four(w + 4);
                    const int16x2_t x02 = (int16x2_t)__uxtb16(x4), x13 = (int16x2_t)__uxtb16(x4 >> 8 | x4 << 24);
                    const int16x2_t y02 = (int16x2_t)__uxtb16(y4), y13 = (int16x2_t)__uxtb16(y4 >> 8 | y4 << 24);
                    const int16x2_t u02 = __sxtb16((int8x4_t)u4), u13 = __sxtb16((int8x4_t)(u4 >> 8 | u4 << 24));
                    const int16x2_t v02 = __sxtb16((int8x4_t)v4), v13 = __sxtb16((int8x4_t)(v4 >> 8 | v4 << 24));
                    a = __smlad(x13, u13, __smlad(x02, u02, a));
                    b = __smlad(x13, v13, __smlad(x02, v02, b));
                    c = __smlad(y13, u13, __smlad(y02, u02, c));
                    d = __smlad(y13, v13, __smlad(y02, v02, d));
                }
            }
        sums[k] = a;
        sums[k + 1] = b;
        if (n > 1) {
            sums[BLOCK + k] = c;
            sums[BLOCK + k + 1] = d;
        }
    }
#else
    const int8_t *w = weights;
    (void)n;
    for (int k = 0; k < BLOCK; k++)
        sums[k] = 0;
    for (int s = 0; s < r->runs_steps; s++)
        for (int q = 0; q < r->runs_rows; q++) {
            const uint8_t *x = pixels[0] + s * r->step + q * r->row;
            for (int j = 0; j < fours; j++, x += 4) {
                const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
                for (int k = 0; k < BLOCK; k++, w += 4)
                    sums[k] += x0 * w[0] + x1 * w[1] + x2 * w[2] + x3 * w[3];
            }
        }
#endif
}

/* sum * by / 2^shift, to the nearest. */
static inline int32_t scaled(int32_t sum, int32_t by, int shift)
{
    return (int32_t)(((int64_t)sum * by + ((int64_t)1 << (shift - 1))) >> shift);
}

static inline int32_t limited(int32_t code, int32_t least)
{
    return code < least ? least : (code > 255 ? 255 : code);
}

/* Write n channels of a pixel as codes: sums in the output's scale, what is added, limits.

   unit: 2^-shift. Where there are vectors of floats, these are faster than products of 64 bits; both round to the
       nearest, and differ at most where a sum lies within rounding in the middle between two codes. */
UNROLLED void write_codes(int n, const codes *q, const int32_t *sum, const int32_t *bias, const int32_t *multipliers,
                          float unit, const uint8_t *added, uint8_t *out)
{
    int32_t y[BLOCK];
    for (int k = 0; k < n; k++) {
#ifdef LANES
        const float x = (float)(sum[k] + bias[k]) * ((float)multipliers[k] * unit);
        y[k] = (int32_t)math_round(math_min(math_max(x, -512.0f), 512.0f));
#else
        y[k] = scaled(sum[k] + bias[k], multipliers[k], q->shift);
        (void)unit;
#endif
    }
    for (int k = 0; k < n; k++)
        y[k] = limited(y[k] + q->zero_out, q->least);
    if (added != NULL)
        for (int k = 0; k < n; k++) {
            const int32_t x = (y[k] - q->zero_out) * q->own_by + (added[k] - q->other_zero) * q->other_by;
            y[k] = limited(q->add_zero + ((x + (1 << (q->add_shift - 1))) >> q->add_shift), q->add_least);
        }
    for (int k = 0; k < n; k++)
        out[k] = (uint8_t)y[k];
}

/* Largest of pool_steps times pool_rows pixels, see pool_tile in kernels.h. */
static inline void pool_codes(const convolution *c, const uint8_t *tile, int steps, uint8_t *out)
{
    const int n = c->out_channels, line = c->out_rows * n, rows = c->out_rows / c->pool_rows;
    for (int t = 0; t < steps / c->pool_steps; t++)
        for (int h = 0; h < rows; h++) {
            const uint8_t *from = tile + t * c->pool_steps * line + h * c->pool_rows * n;
            uint8_t *to = out + (t * rows + h) * n;
            for (int k = 0; k < n; k += BLOCK) {
                uint8_t most[BLOCK] = {0};
                const int some = n - k < BLOCK ? n - k : BLOCK;
                for (int s = 0; s < c->pool_steps; s++)
                    for (int r = 0; r < c->pool_rows; r++) {
                        const uint8_t *const x = from + s * line + r * n + k;
                        if (some == BLOCK)
                            for (int i = 0; i < BLOCK; i++)
                                most[i] = x[i] > most[i] ? x[i] : most[i];
                        else
                            for (int i = 0; i < some; i++)
                                most[i] = x[i] > most[i] ? x[i] : most[i];
                    }
                for (int i = 0; i < some; i++)
                    to[k + i] = most[i];
            }
        }
}

/* Compute a convolution in eight bits.

   multipliers: one per output channel for codes as output, or NULL.
   scales: one per output channel for floats as output, or NULL.
   bias: one per output channel, in units of the sum, with what zero_in adds to it taken away.
   residual: codes of the output's shape before pooling, or NULL.
   out: codes or floats.
   The rest is as in convolve of kernels.h. Up to three bytes behind the input are read, and not used. */
static inline void convolve_codes(const convolution *c, const codes *q, const uint8_t *in, int in_steps, int out_steps,
                                  const int8_t *weights, const int32_t *bias, const int32_t *multipliers,
                                  const float *scales, const uint8_t *residual, void *out, uint8_t *scratch)
{
    const int reach_steps = (c->kernel_steps - 1) * c->dilation_steps + 1;
    const int reach_rows = (c->kernel_rows - 1) * c->dilation_rows + 1;
    const int padded_rows = (c->out_rows - 1) * c->stride_rows + reach_rows;
    const int in_line = c->rows * c->channels, out_line = c->out_rows * c->out_channels;
    const int pooled = c->pool_steps * c->pool_rows > 1;
    const int whole_run = c->dilation_rows == 1;
    const int run = whole_run ? c->kernel_rows * c->channels : c->channels;
    const int block_weights = c->kernel_steps * (whole_run ? 1 : c->kernel_rows) * ((run + 3) / 4) * 4 * BLOCK;
    const int usable_steps = out_steps / c->pool_steps * c->pool_steps;
    const float unit = math_from_bits((uint32_t)(127 - q->shift) << 23);
    uint8_t *const unpooled = scratch, *const padded = pooled ? scratch + (ptrdiff_t)c->tile * out_line : scratch;
    for (int t = 0; t < usable_steps; t += c->tile) {
        const int steps = usable_steps - t < c->tile ? usable_steps - t : c->tile;
        const int first = t * c->stride_steps - c->pad_steps;
        const int lines = (steps - 1) * c->stride_steps + reach_steps;
        const uint8_t *base;
        int line = in_line;
        if (c->pad_rows == 0 && padded_rows <= c->rows && first >= 0 && first + lines <= in_steps) {
            base = in + (ptrdiff_t)first * in_line;
        } else {
            const int used = padded_rows - c->pad_rows < c->rows ? padded_rows - c->pad_rows : c->rows;
            uint8_t *to = padded;
            line = padded_rows * c->channels;
            for (int s = first; s < first + lines; s++) {
                int k = 0;
                if (s >= 0 && s < in_steps) {
                    const uint8_t *from = in + (ptrdiff_t)s * in_line;
                    for (; k < c->pad_rows * c->channels; k++)
                        to[k] = (uint8_t)q->zero_in;
                    for (int i = 0; i < used * c->channels; i++)
                        to[k + i] = from[i];
                    k += used * c->channels;
                }
                for (; k < line; k++)
                    to[k] = (uint8_t)q->zero_in;
                to += line;
            }
            base = padded;
        }
        {
            const reach r = {c->kernel_steps, whole_run ? 1 : c->kernel_rows, run, c->dilation_steps * line,
                             c->dilation_rows * c->channels};
            const int n_pixels = steps * c->out_rows;
            uint8_t *const target = pooled ? unpooled : (uint8_t *)out + (ptrdiff_t)t * out_line;
            float *const numbers = (float *)out + (ptrdiff_t)t * out_line;
            const uint8_t *const added = residual ? residual + (ptrdiff_t)t * out_line : NULL;
            for (int o = 0; o < c->out_channels; o += BLOCK) {
                const int8_t *const w = weights + (ptrdiff_t)(o / BLOCK) * block_weights;
                const int n = c->out_channels - o < BLOCK ? c->out_channels - o : BLOCK;
                int step = 0, row = 0;
                for (int p = 0; p < n_pixels; p += CODE_PIXELS) {
                    const int left = n_pixels - p < CODE_PIXELS ? n_pixels - p : CODE_PIXELS;
                    const uint8_t *x[CODE_PIXELS];
                    int32_t sums[CODE_PIXELS * BLOCK];
                    const uint8_t *from = base;
                    for (int i = 0; i < CODE_PIXELS; i++) { /* where there are no more: the last one, again */
                        if (i < left) {
                            from = base + step * c->stride_steps * line + row * c->stride_rows * c->channels;
                            if (++row == c->out_rows) {
                                row = 0;
                                step++;
                            }
                        }
                        x[i] = from;
                    }
                    if (left == 1)
                        sum_codes(1, &r, x, w, sums);
                    else
                        sum_codes(CODE_PIXELS, &r, x, w, sums);
                    for (int i = 0; i < left; i++) {
                        const ptrdiff_t at = (ptrdiff_t)(p + i) * c->out_channels + o;
                        const int32_t *const sum = sums + i * BLOCK;
                        if (scales != NULL) {
                            for (int k = 0; k < n; k++) {
                                const float y = (float)(sum[k] + bias[o + k]) * scales[o + k];
                                numbers[at + k] = c->relu ? math_max(y, 0.0f) : y;
                            }
                            continue;
                        }
                        if (n == BLOCK) /* a length that the compiler knows */
                            write_codes(BLOCK, q, sum, bias + o, multipliers + o, unit, added ? added + at : NULL,
                                        target + at);
                        else
                            write_codes(n, q, sum, bias + o, multipliers + o, unit, added ? added + at : NULL,
                                        target + at);
                    }
                }
            }
        }
        if (pooled) {
            const int pooled_line = c->out_rows / c->pool_rows * c->out_channels;
            pool_codes(c, unpooled, steps, (uint8_t *)out + (ptrdiff_t)(t / c->pool_steps) * pooled_line);
        }
    }
}

/* The largest code in each window, see pool in kernels.h. */
static inline void pool_max_codes(const pooling *c, const uint8_t *in, int in_steps, int out_steps, uint8_t *out)
{
    const int n = c->channels;
    for (int t = 0; t < out_steps; t++)
        for (int h = 0; h < c->out_rows; h++) {
            uint8_t *const to = out + ((ptrdiff_t)t * c->out_rows + h) * n;
            for (int k = 0; k < n; k++)
                to[k] = 0;
            for (int s = 0; s < c->kernel_steps; s++)
                for (int r = 0; r < c->kernel_rows; r++) {
                    const int step = t * c->stride_steps - c->pad_steps + s;
                    const int row = h * c->stride_rows - c->pad_rows + r;
                    if (step >= 0 && step < in_steps && row >= 0 && row < c->rows) {
                        const uint8_t *const from = in + ((ptrdiff_t)step * c->rows + row) * n;
                        for (int k = 0; k < n; k++)
                            to[k] = from[k] > to[k] ? from[k] : to[k];
                    }
                }
        }
}

/* The mean code in each window, halves to the even code, see pool in kernels.h.
   zero: the code of 0. */
static inline void pool_mean_codes(const pooling *c, const uint8_t *in, int in_steps, int out_steps, int zero,
                                   uint8_t *out)
{
    const int n = c->channels, line = c->rows * n;
    for (int t = 0; t < out_steps; t++)
        for (int h = 0; h < c->out_rows; h++) {
            const pool_window w = pool_window_at(c, t, h, in_steps);
            const uint8_t *const from = in + (ptrdiff_t)w.step * line + (ptrdiff_t)w.row * n;
            uint8_t *const to = out + ((ptrdiff_t)t * c->out_rows + h) * n;
            for (int k = 0; k < n; k++) {
                int total = (w.counted - w.steps * w.rows) * zero, mean, twice;
                for (int s = 0; s < w.steps; s++)
                    for (int r = 0; r < w.rows; r++)
                        total += from[s * line + r * n + k];
                mean = total / w.counted;
                twice = 2 * (total - mean * w.counted);
                to[k] = (uint8_t)(mean + (twice > w.counted || (twice == w.counted && (mean & 1))));
            }
        }
}

#endif
