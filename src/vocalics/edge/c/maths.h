/* Elementary functions in single precision, without a mathematics library: the same results on every machine whose
   floating point follows IEEE 754, but for the contraction of a product and a sum. No branches where it matters, so
   that loops over arrays become vector code. Errors are a few units in the last place (ulp), see each function.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef VOCALICS_MATHS_H
#define VOCALICS_MATHS_H

#include <float.h>
#include <stdint.h>

/* VOCALICS_PORTABLE: plain C only, as on a machine of which nothing is known. */
#if defined(__SSE__) && !defined(VOCALICS_PORTABLE)
#include <xmmintrin.h>
#endif

static inline uint32_t math_bits(float x)
{
    union { float number; uint32_t bits; } both;
    both.number = x;
    return both.bits;
}

static inline float math_from_bits(uint32_t bits)
{
    union { float number; uint32_t bits; } both;
    both.bits = bits;
    return both.number;
}

static inline float math_abs(float x)
{
    return math_from_bits(math_bits(x) & 0x7fffffffu);
}

static inline float math_max(float a, float b)
{
    return a > b ? a : b;
}

static inline float math_min(float a, float b)
{
    return a < b ? a : b;
}

/* The magnitude of x with the sign of s. */
static inline float math_sign_of(float x, float s)
{
    return math_from_bits((math_bits(x) & 0x7fffffffu) | (math_bits(s) & 0x80000000u));
}

/* The nearest whole number, halves to the even one. |x| < 2^22. */
static inline float math_round(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: a sum with it has no room for a fraction */
#if FLT_EVAL_METHOD == 0
    return (x + magic) - magic;
#else
    volatile float sum = x + magic; /* stored, for a processor that computes in more digits keeps the fraction */
    return sum - magic;
#endif
}

/* The largest whole number that is not above x. |x| < 2^22. */
static inline float math_floor(float x)
{
    const float near = math_round(x);
    return near > x ? near - 1.0f : near;
}

/* The square root; 0.5 ulp with a floating-point unit, 1 ulp without. x >= 0. */
static inline float math_sqrt(float x)
{
#if defined(__SSE__) && !defined(VOCALICS_PORTABLE)
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#elif defined(__aarch64__) && !defined(VOCALICS_PORTABLE)
    float root;
    __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(x));
    return root;
#elif defined(__arm__) && defined(__ARM_FP) && (__ARM_FP & 4) && !defined(VOCALICS_PORTABLE)
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#elif defined(__riscv_flen) && !defined(VOCALICS_PORTABLE)
    float root;
    __asm__("fsqrt.s %0, %1" : "=f"(root) : "f"(x));
    return root;
#elif defined(__wasm__) && !defined(VOCALICS_PORTABLE)
    return __builtin_sqrtf(x);
#else
    float scale = 1.0f, inverse, root;
    int i;
    if (!(x > 0.0f) || x > 3.4028235e38f)
        return x;
    if (x < 1.0e-30f) { /* keeps the squares below away from the smallest numbers */
        x *= 1.8446744e19f; /* 2^64 */
        scale = 2.3283064e-10f; /* 2^-32 */
    }
    inverse = math_from_bits(0x5f375a86u - (math_bits(x) >> 1));
    for (i = 0; i < 3; i++) /* Newton's method for 1 / sqrt(x) */
        inverse = inverse * (1.5f - 0.5f * x * inverse * inverse);
    root = x * inverse;
    root = root + 0.5f * inverse * (x - root * root);
    return root * scale;
#endif
}

/* e to the power of x; 1 ulp. Infinite above 88.72, 0 below -104. */
static inline float math_exp(float x)
{
    float n, r, p;
    int32_t whole, half;
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    n = math_round(x * 1.44269504f);
    r = x - n * 0.693145752f; /* ln 2 in two parts: the first one times n is exact */
    r = r - n * 1.42860677e-6f;
    p = 1.98527526e-4f;
    p = p * r + 1.39304355e-3f;
    p = p * r + 8.33336077e-3f;
    p = p * r + 4.16664854e-2f;
    p = p * r + 1.66666672e-1f;
    p = p * r + 5.00000000e-1f;
    p = p * (r * r) + r;
    p = p + 1.0f;
    whole = (int32_t)n;
    half = whole >> 1; /* two factors: each is a normal number, their product need not be */
    p = p * math_from_bits((uint32_t)(half + 127) << 23);
    return p * math_from_bits((uint32_t)(whole - half + 127) << 23);
}

/* The natural logarithm; 1 ulp. Minus infinity at 0, not a number below. */
static inline float math_log(float x)
{
    const uint32_t tiny = x < 1.17549435e-38f ? 1u : 0u;
    const float scaled = tiny ? x * 8388608.0f : x; /* 2^23: what is below the normal numbers */
    /* scaled = m * 2^e with m from sqrt(1/2) to sqrt(2) */
    const uint32_t bits = math_bits(scaled);
    const uint32_t shifted = bits - 0x3f3504f3u;
    const float e = (float)((int32_t)shifted >> 23) - (tiny ? 23.0f : 0.0f);
    const float m = math_from_bits((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float square = m * m;
    float p = 7.0376836292e-2f;
    float y;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    y = m * square * p;
    y = y - e * 2.12194440e-4f; /* ln 2 = 0.693359375 - 2.12e-4 */
    y = y - 0.5f * square;
    y = m + y;
    y = y + e * 0.693359375f;
    y = x > 3.4028235e38f ? x : y;
    y = x > 0.0f ? y : (x == 0.0f ? math_from_bits(0xff800000u) : math_from_bits(0x7fc00000u));
    return y;
}

/* The logarithm to the base of 10; 2 ulp. */
static inline float math_log10(float x)
{
    return math_log(x) * 0.434294482f;
}

/* x to the power of y; a relative error of about 1e-7 times |y log x|. Not a number for x < 0, but where y is 0. */
static inline float math_pow(float x, float y)
{
    const float of_zero = y < 0.0f ? math_from_bits(0x7f800000u) : 0.0f;
    const float not_above = y == 0.0f ? 1.0f : (x == 0.0f ? of_zero : math_from_bits(0x7fc00000u));
    return x > 0.0f ? math_exp(y * math_log(x)) : not_above;
}

/* 1 / (1 + e^-x); 3 ulp. */
static inline float math_sigmoid(float x)
{
    return 1.0f / (1.0f + math_exp(-x));
}

/* The hyperbolic tangent; 2 ulp. */
static inline float math_tanh(float x)
{
    const float size = math_abs(x);
    const float square = x * x;
    const float far = 1.0f - 2.0f / (math_exp(2.0f * (size > 10.0f ? 10.0f : size)) + 1.0f);
    float near = -5.70498872745e-3f;
    near = near * square + 2.06390887954e-2f;
    near = near * square - 5.37397155531e-2f;
    near = near * square + 1.33314422036e-1f;
    near = near * square - 3.33332819422e-1f;
    near = near * square * x + x;
    return size < 0.625f ? near : math_sign_of(far, x);
}

/* The error function; 2 ulp. */
static inline float math_erf(float x)
{
    const float size = math_abs(x) > 4.0f ? 4.0f : math_abs(x);
    const float square = size * size;
    float far = -1.72853470e-5f * size + 3.83197126e-4f;
    float near = -5.96761703e-4f;
    far = far * square + (-3.88396438e-3f * size + 2.42546219e-2f);
    far = far * size - 1.06777877e-1f;
    far = far * size - 6.34846687e-1f;
    far = far * size - 1.28717512e-1f;
    far = far * size - size;
    far = 1.0f - math_exp(far);
    near = near * square + 4.99119423e-3f;
    near = near * square - 2.67681349e-2f;
    near = near * square + 1.12819925e-1f;
    near = near * square - 3.76125336e-1f;
    near = near * square + 1.28379166e-1f;
    near = near * x + x;
    return size > 0.927734375f ? math_sign_of(far, x) : near;
}

/* Sine and cosine share this: the sine where odd quarters turn it into the cosine; error below 2e-7. |x| < 8192. */
static inline float math_turn(float x, int32_t quarters)
{
    const float n = math_round(x * 0.636619772f); /* quarter turns */
    float r = x - n * 1.5703125f;
    float square, sine, cosine, y;
    int32_t q;
    r = r - n * 4.83751297e-4f;
    r = r - n * 7.54978995e-8f;
    square = r * r;
    sine = ((-1.9515295891e-4f * square + 8.3321608736e-3f) * square - 1.6666654611e-1f) * square * r + r;
    cosine = (2.443315711809948e-5f * square - 1.388731625493765e-3f) * square + 4.166664568298827e-2f;
    cosine = cosine * square * square - 0.5f * square + 1.0f;
    q = (int32_t)n + quarters;
    y = (q & 1) ? cosine : sine;
    return (q & 2) ? -y : y;
}

/* The sine of x radians. |x| < 8192. */
static inline float math_sin(float x)
{
    return math_turn(x, 0);
}

/* The cosine of x radians. |x| < 8192. */
static inline float math_cos(float x)
{
    return math_turn(x, 1);
}

#endif
