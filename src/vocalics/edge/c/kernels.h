/* Layers of a network in single precision: convolution, dense, pooling, recurrent layers. No allocation, no library.

   An image is held as [step][row][channel]: a step is a place along time. What has no rows (a signal, a sequence of
   vectors, one vector) has one row. Weights are packed in blocks of BLOCK output channels, see convolution.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef VOCALICS_KERNELS_H
#define VOCALICS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "maths.h"

#define BLOCK 16 /* output channels that are computed together */
#define CHUNK 96 /* pixels of which the places are looked up at a time; a multiple of any PIXELS */

/* How many numbers a vector register holds, and for how many pixels a block of channels fits into the registers.
   Without GCC's vectors (VOCALICS_PORTABLE) the same is written as plain loops. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(VOCALICS_PORTABLE)
#if defined(__AVX512F__)
#define LANES 16
#define PIXELS 12
#elif defined(__AVX__)
#define LANES 8
#define PIXELS 6
#elif defined(__aarch64__)
#define LANES 4
#define PIXELS 6
#elif defined(__SSE__) || defined(__ARM_NEON) || defined(__wasm_simd128__)
#define LANES 4
#define PIXELS 3
#endif
#endif
#ifndef LANES
#define PIXELS 1
#endif

/* A convolution over steps and rows; a dense layer is one of a single step and row. */
typedef struct {
    int channels, rows;                /* of the input */
    int out_channels, out_rows;        /* of the output, before pooling */
    int kernel_steps, kernel_rows;
    int stride_steps, stride_rows;
    int dilation_steps, dilation_rows;
    int pad_steps, pad_rows;           /* zeros before the first; behind the last as many as it takes */
    int pool_steps, pool_rows;         /* max pooling without overlap; 1 and 1: none */
    int tile;                          /* steps that are computed together, a multiple of pool_steps */
    int relu;
} convolution;

#ifdef LANES
typedef float lanes __attribute__((vector_size(LANES * 4)));
typedef float loose_lanes __attribute__((vector_size(LANES * 4), aligned(4), may_alias)); /* anywhere in memory */
typedef int32_t lane_bits __attribute__((vector_size(LANES * 4)));
#define VECTORS (BLOCK / LANES)
#endif

/* What all pixels of a block have in common. */
typedef struct {
    int runs_steps, runs_rows; /* runs of numbers that follow one another in the input */
    int run;                   /* their length */
    int step, row;             /* how far apart they are */
} reach;

/* What becomes of sums. */
typedef struct {
    const float *bias;     /* BLOCK numbers */
    const float *residual; /* what is added to a pixel at this, or NULL */
    int relu;
    int channels; /* from one pixel to the next, in the output and the residual */
} finish;

/* Sum up one block of output channels for PIXELS pixels.

   pixels: where each one's window begins in the input.
   weights: for every run and every number of it, BLOCK weights.
   out: BLOCK numbers for every pixel. */
static inline void sum_pixels(const reach *r, const float *const *pixels, const float *weights, const finish *f,
                              float *out)
{
    const float *w = weights;
    const float *x[PIXELS];
#ifdef LANES
    lanes sum[PIXELS][VECTORS];
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++)
            sum[p][v] = *(const loose_lanes *)(f->bias + v * LANES);
#else
    float sum[PIXELS][BLOCK];
    for (int p = 0; p < PIXELS; p++)
        for (int k = 0; k < BLOCK; k++)
            sum[p][k] = f->bias[k];
#endif
    for (int p = 0; p < PIXELS; p++)
        x[p] = pixels[p];
    for (int s = 0; s < r->runs_steps; s++) {
        for (int q = 0; q < r->runs_rows; q++) {
            const ptrdiff_t begin = (ptrdiff_t)s * r->step + q * r->row, end = begin + r->run;
            for (ptrdiff_t j = begin; j < end; j++) {
#ifdef LANES
                lanes b[VECTORS];
                for (int v = 0; v < VECTORS; v++)
                    b[v] = *(const loose_lanes *)(w + v * LANES);
                for (int p = 0; p < PIXELS; p++)
                    for (int v = 0; v < VECTORS; v++)
                        sum[p][v] += x[p][j] * b[v];
#else
                for (int p = 0; p < PIXELS; p++)
                    for (int k = 0; k < BLOCK; k++)
                        sum[p][k] += x[p][j] * w[k];
#endif
                w += BLOCK;
            }
        }
    }
#ifdef LANES
    if (f->residual)
        for (int p = 0; p < PIXELS; p++)
            for (int v = 0; v < VECTORS; v++)
                sum[p][v] += *(const loose_lanes *)(f->residual + (ptrdiff_t)p * f->channels + v * LANES);
    if (f->relu)
        for (int p = 0; p < PIXELS; p++)
            for (int v = 0; v < VECTORS; v++)
                sum[p][v] = (lanes)((lane_bits)sum[p][v] & (lane_bits)(sum[p][v] > (lanes){0}));
    for (int p = 0; p < PIXELS; p++)
        for (int v = 0; v < VECTORS; v++)
            *(loose_lanes *)(out + (ptrdiff_t)p * f->channels + v * LANES) = sum[p][v];
#else
    for (int p = 0; p < PIXELS; p++)
        for (int k = 0; k < BLOCK; k++) {
            float y = sum[p][k];
            if (f->residual)
                y += f->residual[p * f->channels + k];
            out[p * f->channels + k] = f->relu ? math_max(y, 0.0f) : y;
        }
#endif
}

/* The same for one pixel: four sums per channel, so that the processor need not wait for each to be ready. */
static inline void sum_pixel(const reach *r, const float *pixel, const float *weights, float *sums)
{
    const float *w = weights;
#ifdef LANES
    lanes sum[4][VECTORS];
    for (int u = 0; u < 4; u++)
        for (int v = 0; v < VECTORS; v++)
            sum[u][v] = (lanes){0};
#else
    float sum[BLOCK];
    for (int k = 0; k < BLOCK; k++)
        sum[k] = 0.0f;
#endif
    for (int s = 0; s < r->runs_steps; s++) {
        for (int q = 0; q < r->runs_rows; q++) {
            const float *x = pixel + s * r->step + q * r->row;
            int j = 0;
#ifdef LANES
            for (; j + 4 <= r->run; j += 4) {
                for (int u = 0; u < 4; u++)
                    for (int v = 0; v < VECTORS; v++)
                        sum[u][v] += x[j + u] * *(const loose_lanes *)(w + u * BLOCK + v * LANES);
                w += 4 * BLOCK;
            }
#endif
            for (; j < r->run; j++) {
#ifdef LANES
                for (int v = 0; v < VECTORS; v++)
                    sum[0][v] += x[j] * *(const loose_lanes *)(w + v * LANES);
#else
                for (int k = 0; k < BLOCK; k++)
                    sum[k] += x[j] * w[k];
#endif
                w += BLOCK;
            }
        }
    }
#ifdef LANES
    for (int v = 0; v < VECTORS; v++)
        *(loose_lanes *)(sums + v * LANES) = (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]);
#else
    for (int k = 0; k < BLOCK; k++)
        sums[k] = sum[k];
#endif
}

/* Write n channels of a pixel: its sums, the bias, what is added, ReLU. */
static inline void write_pixel(const float *sums, const float *bias, const float *residual, int relu, int n, float *out)
{
    if (n == BLOCK) { /* a length that the compiler knows */
        float y[BLOCK];
        for (int k = 0; k < BLOCK; k++)
            y[k] = sums[k] + bias[k];
        if (residual)
            for (int k = 0; k < BLOCK; k++)
                y[k] += residual[k];
        if (relu)
            for (int k = 0; k < BLOCK; k++)
                y[k] = math_max(y[k], 0.0f);
        for (int k = 0; k < BLOCK; k++)
            out[k] = y[k];
        return;
    }
    for (int k = 0; k < n; k++) {
        float y = sums[k] + bias[k];
        if (residual)
            y += residual[k];
        out[k] = relu ? math_max(y, 0.0f) : y;
    }
}

/* Pixels of an output, row by row, and where their windows begin. */
typedef struct {
    const float *base;
    int step, row; /* from one step, and from one row, to the next */
    int rows, n;
} places;

/* Compute all output channels of at most CHUNK pixels, from the first one on. */
static inline void sum_chunk(const convolution *c, const reach *r, const places *where, int first,
                             const float *weights, int block_weights, const float *bias, const float *residual,
                             float *out)
{
    static const float nothing[BLOCK] = {0};
    const float *pixels[CHUNK];
    const int n = where->n - first < CHUNK ? where->n - first : CHUNK, channels = c->out_channels;
    int step = first / where->rows, row = first % where->rows;
    for (int p = 0; p < CHUNK && p < n + PIXELS; p++) { /* a few more than there are: the last one, again */
        pixels[p] = p < n ? where->base + (ptrdiff_t)step * where->step + (ptrdiff_t)row * where->row : pixels[n - 1];
        if (++row == where->rows) {
            row = 0;
            step++;
        }
    }
    for (int o = 0; o < channels; o += BLOCK) {
        const float *const w = weights + (ptrdiff_t)(o / BLOCK) * block_weights;
        const int n_out = channels - o < BLOCK ? channels - o : BLOCK;
        for (int p = 0; p < n; p += PIXELS) {
            const ptrdiff_t at = (ptrdiff_t)(first + p) * channels + o;
            const int left = n - p < PIXELS ? n - p : PIXELS;
            const float *const added = residual ? residual + at : NULL;
            if (left == PIXELS && n_out == BLOCK) {
                const finish f = {bias + o, added, c->relu, channels};
                sum_pixels(r, pixels + p, w, &f, out + at);
            } else {
                const finish f = {nothing, NULL, 0, BLOCK};
                float sums[PIXELS * BLOCK];
                if (left == 1)
                    sum_pixel(r, pixels[p], w, sums);
                else
                    sum_pixels(r, pixels + p, w, &f, sums);
                for (int i = 0; i < left; i++) {
                    const ptrdiff_t there = (ptrdiff_t)i * channels;
                    write_pixel(sums + i * BLOCK, bias + o, added ? added + there : NULL, c->relu, n_out,
                                out + at + there);
                }
            }
        }
    }
}

/* The largest of each of n channels among pixels: steps of them, step numbers apart, each with rows, row apart. */
static inline void largest(const float *from, int steps, ptrdiff_t step, int rows, ptrdiff_t row, int n, float *to)
{
    int k = 0;
#ifdef LANES
    for (; k + LANES <= n; k += LANES) {
        lanes most = *(const loose_lanes *)(from + k);
        for (int s = 0; s < steps; s++)
            for (int r = 0; r < rows; r++) {
                const lanes x = *(const loose_lanes *)(from + s * step + r * row + k);
                const lane_bits more = (lane_bits)(x > most);
                most = (lanes)(((lane_bits)x & more) | ((lane_bits)most & ~more));
            }
        *(loose_lanes *)(to + k) = most;
    }
#endif
    for (; k < n; k++) {
        const float *line = from + k;
        float most = line[0];
        for (int s = 0; s < steps; s++, line += step)
            for (int r = 0; r < rows; r++)
                most = math_max(line[r * row], most);
        to[k] = most;
    }
}

/* Max pooling of a tile of a convolution's output. */
static inline void pool_tile(const convolution *c, const float *tile, int steps, float *out)
{
    const int n = c->out_channels, line = c->out_rows * n, rows = c->out_rows / c->pool_rows;
    for (int t = 0; t < steps / c->pool_steps; t++)
        for (int h = 0; h < rows; h++)
            largest(tile + t * c->pool_steps * line + h * c->pool_rows * n, c->pool_steps, line, c->pool_rows, n, n,
                    out + (t * rows + h) * n);
}

/* Compute a convolution.

   in: in_steps lines of rows * channels numbers.
   out_steps: of the output before pooling.
   weights: for each block of BLOCK output channels (the last one filled up with zeros), each step and row of the
       kernel and each input channel: BLOCK weights.
   bias: one per output channel, filled up like the weights.
   residual: what is added before ReLU, of the output's shape before pooling; NULL: nothing.
   scratch: room for a tile of the input with its padding, and for a tile of the output where it is pooled. */
static inline void convolve(const convolution *c, const float *in, int in_steps, int out_steps, const float *weights,
                     const float *bias, const float *residual, float *out, float *scratch)
{
    const int reach_steps = (c->kernel_steps - 1) * c->dilation_steps + 1;
    const int reach_rows = (c->kernel_rows - 1) * c->dilation_rows + 1;
    const int padded_rows = (c->out_rows - 1) * c->stride_rows + reach_rows;
    const int in_line = c->rows * c->channels, out_line = c->out_rows * c->out_channels;
    const int pooled = c->pool_steps * c->pool_rows > 1;
    float *const unpooled = scratch, *const padded = pooled ? scratch + (ptrdiff_t)c->tile * out_line : scratch;
    const int usable_steps = out_steps / c->pool_steps * c->pool_steps;
    for (int t = 0; t < usable_steps; t += c->tile) {
        const int steps = usable_steps - t < c->tile ? usable_steps - t : c->tile;
        const int first = t * c->stride_steps - c->pad_steps;
        const int lines = (steps - 1) * c->stride_steps + reach_steps;
        const float *base;
        int line = in_line;
        if (c->pad_rows == 0 && padded_rows <= c->rows && first >= 0 && first + lines <= in_steps) {
            base = in + (ptrdiff_t)first * in_line;
        } else {
            /* Not all of the window lies in the input: copy, with zeros around. */
            const int used = padded_rows - c->pad_rows < c->rows ? padded_rows - c->pad_rows : c->rows;
            float *to = padded;
            line = padded_rows * c->channels;
            for (int s = first; s < first + lines; s++) {
                int k = 0;
                if (s >= 0 && s < in_steps) {
                    const float *from = in + (ptrdiff_t)s * in_line;
                    for (; k < c->pad_rows * c->channels; k++)
                        to[k] = 0.0f;
                    for (int i = 0; i < used * c->channels; i++)
                        to[k + i] = from[i];
                    k += used * c->channels;
                }
                for (; k < line; k++)
                    to[k] = 0.0f;
                to += line;
            }
            base = padded;
        }
        {
            const int whole_run = c->dilation_rows == 1;
            const reach r = {c->kernel_steps, whole_run ? 1 : c->kernel_rows,
                             whole_run ? c->kernel_rows * c->channels : c->channels, c->dilation_steps * line,
                             c->dilation_rows * c->channels};
            const places where = {base, c->stride_steps * line, c->stride_rows * c->channels, c->out_rows,
                                  steps * c->out_rows};
            const ptrdiff_t at = (ptrdiff_t)t * out_line;
            const int block_weights = c->kernel_steps * c->kernel_rows * c->channels * BLOCK;
            for (int p = 0; p < where.n; p += CHUNK)
                sum_chunk(c, &r, &where, p, weights, block_weights, bias, residual ? residual + at : NULL,
                          pooled ? unpooled : out + at);
        }
        if (pooled) {
            const int pooled_line = c->out_rows / c->pool_rows * c->out_channels;
            pool_tile(c, unpooled, steps, out + (ptrdiff_t)(t / c->pool_steps) * pooled_line);
        }
    }
}

/* Six sums of a line and its five neighbours, from which four outputs of a kernel of three steps follow with half the
   products: Winograd's minimal filtering F(4, 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
   CVPR 2016), along the steps only. */
static inline void spread_lines(const float *const *d, int n, float *out)
{
    const float *const d0 = d[0], *const d1 = d[1], *const d2 = d[2], *const d3 = d[3], *const d4 = d[4];
    const float *const d5 = d[5];
    float *const o0 = out, *const o1 = out + n, *const o2 = o1 + n, *const o3 = o2 + n, *const o4 = o3 + n;
    float *const o5 = o4 + n;
    for (int k = 0; k < n; k++)
        o0[k] = 4.0f * d0[k] - 5.0f * d2[k] + d4[k];
    for (int k = 0; k < n; k++) {
        const float even = d4[k] - 4.0f * d2[k], odd = d3[k] - 4.0f * d1[k];
        o1[k] = even + odd;
        o2[k] = even - odd;
    }
    for (int k = 0; k < n; k++) {
        const float even = d4[k] - d2[k], odd = 2.0f * (d3[k] - d1[k]);
        o3[k] = even + odd;
        o4[k] = even - odd;
    }
    for (int k = 0; k < n; k++)
        o5[k] = 4.0f * d1[k] - 5.0f * d3[k] + d5[k];
}

/* Four outputs from their six sums, n apart; BLOCK numbers each. */
static inline void gather_sums(const float *m, int n, float *out)
{
    for (int k = 0; k < BLOCK; k++) {
        const float a = m[n + k] + m[2 * n + k], b = m[n + k] - m[2 * n + k];
        const float c = m[3 * n + k] + m[4 * n + k], d = m[3 * n + k] - m[4 * n + k];
        out[k] = m[k] + a + c;
        out[BLOCK + k] = b + 2.0f * d;
        out[2 * BLOCK + k] = a + 4.0f * c;
        out[3 * BLOCK + k] = b + 8.0f * d + m[5 * n + k];
    }
}

#define QUADS 3 /* fours of steps in a tile of convolve_by_four */

/* Compute a convolution whose kernel has three steps and whose windows follow one another step by step, as convolve
   does, with half the products.

   weights: for each block of output channels, six spread kernels of kernel_rows rows each, see blocks in layers.py.
   scratch: room for 6 padded lines, QUADS times 6 spread ones, QUADS * out_rows * 6 * BLOCK sums, and for 4 * QUADS
       lines of the output where it is pooled. */
static inline void convolve_by_four(const convolution *c, const float *in, int in_steps, int out_steps,
                                    const float *weights, const float *bias, const float *residual, float *out,
                                    float *scratch)
{
    static const float nothing[BLOCK] = {0};
    const int rows = c->out_rows, channels = c->out_channels, in_line = c->rows * c->channels;
    const int padded_rows = rows - 1 + c->kernel_rows, line = padded_rows * c->channels, out_line = rows * channels;
    const int used = padded_rows - c->pad_rows < c->rows ? padded_rows - c->pad_rows : c->rows;
    const int pooled = c->pool_steps * c->pool_rows > 1;
    const int usable_steps = out_steps / c->pool_steps * c->pool_steps;
    const int run = c->kernel_rows * c->channels, n_sums = QUADS * rows * BLOCK;
    float *const padded = scratch, *const spread = padded + 6 * line, *const sums = spread + QUADS * 6 * line;
    float *const unpooled = sums + 6 * n_sums;
    const reach r = {1, 1, run, 0, 0};
    const finish f = {nothing, NULL, 0, BLOCK};
    for (int t = 0; t < usable_steps; t += 4 * QUADS) {
        const int steps = usable_steps - t < 4 * QUADS ? usable_steps - t : 4 * QUADS;
        const int quads = (steps + 3) / 4, n = quads * rows;
        float *const target = pooled ? unpooled : out + (ptrdiff_t)t * out_line;
        const float *const added = residual ? residual + (ptrdiff_t)t * out_line : NULL;
        for (int q = 0; q < quads; q++) {
            const float *lines[6];
            for (int i = 0; i < 6; i++) {
                const int s = t + 4 * q - c->pad_steps + i;
                const int inside = s >= 0 && s < in_steps;
                const float *const from = inside ? in + (ptrdiff_t)s * in_line : NULL;
                float *const to = padded + i * line;
                lines[i] = inside && c->pad_rows == 0 && padded_rows <= c->rows ? from : to;
                if (lines[i] == to) {
                    int k = 0;
                    for (; inside && k < c->pad_rows * c->channels; k++)
                        to[k] = 0.0f;
                    for (int j = 0; inside && j < used * c->channels; j++, k++)
                        to[k] = from[j];
                    for (; k < line; k++)
                        to[k] = 0.0f;
                }
            }
            spread_lines(lines, line, spread + q * 6 * line);
        }
        for (int o = 0; o < channels; o += BLOCK) {
            const float *const w = weights + (ptrdiff_t)o * 6 * run;
            const int n_out = channels - o < BLOCK ? channels - o : BLOCK;
            for (int i = 0; i < 6; i++)
                for (int p = 0; p < n; p += PIXELS) {
                    const float *x[PIXELS];
                    float last[PIXELS * BLOCK];
                    const int left = n - p < PIXELS ? n - p : PIXELS;
                    float *const to = sums + i * n_sums + p * BLOCK;
                    const float *at = spread;
                    int q = p / rows, row = p % rows;
                    for (int k = 0; k < PIXELS; k++) { /* where there are no more: the last one, again */
                        if (k < left)
                            at = spread + (q * 6 + i) * line + row * c->channels;
                        x[k] = at;
                        if (++row == rows) {
                            row = 0;
                            q++;
                        }
                    }
                    sum_pixels(&r, x, w + i * run * BLOCK, &f, left == PIXELS ? to : last);
                    for (int k = 0; left < PIXELS && k < left * BLOCK; k++)
                        to[k] = last[k];
                }
            for (int p = 0; p < n; p++) {
                float four[4 * BLOCK];
                const int q = p / rows, row = p % rows;
                gather_sums(sums + p * BLOCK, n_sums, four);
                for (int i = 0; i < 4 && 4 * q + i < steps; i++) {
                    const ptrdiff_t at = (ptrdiff_t)(4 * q + i) * out_line + row * channels + o;
                    write_pixel(four + i * BLOCK, bias + o, added ? added + at : NULL, c->relu, n_out, target + at);
                }
            }
        }
        if (pooled) {
            const int pooled_line = rows / c->pool_rows * channels;
            pool_tile(c, unpooled, steps, out + (ptrdiff_t)(t / c->pool_steps) * pooled_line);
        }
    }
}

/* A convolution of each channel by itself: weights are [step of the kernel][row of the kernel][channel]. */
static inline void convolve_each(const convolution *c, const float *in, int in_steps, int out_steps,
                                 const float *weights, const float *bias, float *out)
{
    const int n = c->channels;
    for (int t = 0; t < out_steps; t++)
        for (int h = 0; h < c->out_rows; h++) {
            float *const to = out + ((ptrdiff_t)t * c->out_rows + h) * n;
            for (int k = 0; k < n; k++)
                to[k] = bias[k];
            for (int s = 0; s < c->kernel_steps; s++)
                for (int r = 0; r < c->kernel_rows; r++) {
                    const int step = t * c->stride_steps - c->pad_steps + s * c->dilation_steps;
                    const int row = h * c->stride_rows - c->pad_rows + r * c->dilation_rows;
                    const float *const w = weights + (s * c->kernel_rows + r) * n;
                    if (step >= 0 && step < in_steps && row >= 0 && row < c->rows) {
                        const float *const from = in + ((ptrdiff_t)step * c->rows + row) * n;
                        for (int k = 0; k < n; k++)
                            to[k] += from[k] * w[k];
                    }
                }
            if (c->relu)
                for (int k = 0; k < n; k++)
                    to[k] = math_max(to[k], 0.0f);
        }
}

/* Pooling over steps and rows; what lies around the input does not count, unless a mean is to count it as zeros. */
typedef struct {
    int channels, rows, out_rows;
    int kernel_steps, kernel_rows;
    int stride_steps, stride_rows;
    int pad_steps, pad_rows;
    int mean;   /* else the largest */
    int padded; /* the mean counts what lies around */
} pooling;

/* The part of a window that lies in the input: where it begins, how large it is, and what a mean divides by. */
typedef struct {
    int step, row, steps, rows, counted;
} pool_window;

static inline pool_window pool_window_at(const pooling *c, int out_step, int out_row, int in_steps)
{
    const int step = out_step * c->stride_steps - c->pad_steps, row = out_row * c->stride_rows - c->pad_rows;
    const int step_end = step + c->kernel_steps < in_steps ? step + c->kernel_steps : in_steps;
    const int row_end = row + c->kernel_rows < c->rows ? row + c->kernel_rows : c->rows;
    pool_window w = {step < 0 ? 0 : step, row < 0 ? 0 : row, 0, 0, c->kernel_steps * c->kernel_rows};
    w.steps = step_end - w.step;
    w.rows = row_end - w.row;
    if (!c->padded)
        w.counted = w.steps * w.rows;
    return w;
}

static inline void pool(const pooling *c, const float *in, int in_steps, int out_steps, float *out)
{
    const int n = c->channels, line = c->rows * n;
    for (int t = 0; t < out_steps; t++)
        for (int h = 0; h < c->out_rows; h++) {
            const pool_window w = pool_window_at(c, t, h, in_steps);
            const float *const from = in + (ptrdiff_t)w.step * line + (ptrdiff_t)w.row * n;
            float *const to = out + ((ptrdiff_t)t * c->out_rows + h) * n;
            if (!c->mean) {
                largest(from, w.steps, line, w.rows, n, n, to);
                continue;
            }
            for (int k = 0; k < n; k++)
                to[k] = 0.0f;
            for (int s = 0; s < w.steps; s++)
                for (int r = 0; r < w.rows; r++) {
                    const float *const x = from + s * line + r * n;
                    for (int k = 0; k < n; k++)
                        to[k] += x[k];
                }
            for (int k = 0; k < n; k++)
                to[k] /= (float)w.counted;
        }
}

/* The product of a vector and packed weights: n sums, in whole blocks. */
static inline void multiply(const float *x, int length, const float *weights, int n, float *sums)
{
    const reach r = {1, 1, length, 0, 0};
    for (int o = 0; o < n; o += BLOCK)
        sum_pixel(&r, x, weights + (ptrdiff_t)o * length, sums + o);
}

/* A layer of long short-term memory, one direction.

   gates: for every step 4 * width numbers: the products with the input and the biases, of the gates in the order
       input, output, forget, cell.
   recurrent: packed weights from the last output to the gates.
   out: of a step at out + step * stride, width numbers.
   scratch: the last output, the memory and the gates: 6 * width numbers and BLOCK more. */
static inline void recur_lstm(int steps, int width, int backwards, const float *gates, const float *recurrent,
                              float *out, int stride, float *scratch)
{
    float *const last = scratch, *const memory = scratch + width, *const g = memory + width;
    for (int k = 0; k < 2 * width; k++)
        scratch[k] = 0.0f;
    for (int i = 0; i < steps; i++) {
        const int t = backwards ? steps - 1 - i : i;
        const float *const x = gates + (ptrdiff_t)t * 4 * width;
        multiply(last, width, recurrent, 4 * width, g);
        for (int k = 0; k < width; k++) {
            const float in = math_sigmoid(x[k] + g[k]);
            const float forget = math_sigmoid(x[2 * width + k] + g[2 * width + k]);
            memory[k] = forget * memory[k] + in * math_tanh(x[3 * width + k] + g[3 * width + k]);
        }
        for (int k = 0; k < width; k++)
            last[k] = math_sigmoid(x[width + k] + g[width + k]) * math_tanh(memory[k]);
        for (int k = 0; k < width; k++)
            out[(ptrdiff_t)t * stride + k] = last[k];
    }
}

/* A layer of gated recurrent units, one direction.

   gates: for every step 3 * width numbers: the products with the input and the biases, of the gates in the order
       update, reset, candidate.
   update_reset, candidate: packed weights from the last output to these gates.
   bias: of the candidate's product with the last output, which the reset gate scales; NULL: it scales the output
       before the product.
   scratch: the last output, what was reset, and three gates: 5 * width numbers and BLOCK more for each of two products.
   The rest is as in recur_lstm. */
static inline void recur_gru(int steps, int width, int backwards, const float *gates, const float *update_reset,
                             const float *candidate, const float *bias, float *out, int stride, float *scratch)
{
    float *const last = scratch, *const kept = scratch + width, *const g = kept + width;
    float *const product = g + 2 * width + BLOCK;
    for (int k = 0; k < width; k++)
        last[k] = 0.0f;
    for (int i = 0; i < steps; i++) {
        const int t = backwards ? steps - 1 - i : i;
        const float *const x = gates + (ptrdiff_t)t * 3 * width;
        multiply(last, width, update_reset, 2 * width, g);
        for (int k = 0; k < 2 * width; k++)
            g[k] = math_sigmoid(x[k] + g[k]);
        for (int k = 0; k < width; k++)
            kept[k] = bias != NULL ? last[k] : g[width + k] * last[k];
        multiply(kept, width, candidate, width, product);
        for (int k = 0; k < width; k++) {
            const float seen = bias != NULL ? g[width + k] * (product[k] + bias[k]) : product[k];
            const float fresh = math_tanh(x[2 * width + k] + seen);
            last[k] = fresh + g[k] * (last[k] - fresh);
        }
        for (int k = 0; k < width; k++)
            out[(ptrdiff_t)t * stride + k] = last[k];
    }
}

#endif
