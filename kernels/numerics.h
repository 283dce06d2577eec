// The summation trees and constants that make every kernel table give the same bits.
//
// The contract. For f32 and int8 compute, every table but `openblas` (a comparator) returns identical bits for
// identical inputs, whatever the number of rows in the call, the split over outputs or threads, the
// alignment, or the instruction set. The order of every sum is therefore part of a kernel's definition:
//
//   matmul     y[n] = ((B0 + B1) + B2) + ..., Bj = the chain over k = 256 j .. 256 j + 255 (ascending) of
//              acc <- fma(w[n,k], x[k], acc), starting at +0. Weights are widened exactly to f32 first.
//              Vector lanes run over output rows, so one row of x (GEMV) and many (GEMM) share one order.
//              Short chains added up also keep the rounding error near that of a pairwise sum.
//              Products in bf16 round x, and weights that are wider, to bf16 (to nearest, ties to even). Tables
//              without bf16 dot products then sum as above; those with them sum pairs of neighbours in k, and blocks
//              as above. Tiles (amx) make two chains of each 32 inputs, of the even and of the odd k, from +0 on, add them,
//              and that to the sum so far (+0 at first; weights from q8 and q4 the same), denormals being zeros. The same
//              bits whatever the rows, threads and splits, but not those of other tables.
//   int8       x in groups of 32 along k, quants and scales as in kernels/quantise.h. y[n] = the chain over groups g
//              (ascending, all of K) of acc <- fma(S * xs[g], ws[n,g], acc), starting at +0, S the exact integer sum of
//              the group's products of quants, S * xs rounded to f32.
//   reductions (sum of squares, dot, sums of exponentials): element i joins partial chain i mod 16,
//   ascending,
//              by fma where it is a product; a tail shorter than 16 is padded with zeros; then the fixed tree
//              t[i] = p[i] + p[i+8] (i < 8), t[i] + t[i+4] (i < 4), t[i] + t[i+2] (i < 2), t[0] + t[1].
//              A maximum uses the same lanes and tree with max(a, b) = a > b ? a : b.
//   exp        one polynomial (constants below), the same operations everywhere: at most 2 ulp; +0 below
//              kExpLow, +inf above kExpHigh, NaN stays NaN. silu, sigmoid, gelu and tanh are made of it.
//   attention  see kernels/attention.h.
//   other      +, -, *, /, sqrt are IEEE single operations in the written order; a fused multiply-add appears
//   only
//              where fma is written (the build sets -ffp-contract=off).
//
// The default floating-point environment is assumed: round to nearest, no flush to zero.
#pragma once

#include <cstdint>

namespace moe::kernels {

inline constexpr int kLanes = 16;    // partial chains of a reduction; output rows of a weight tile
inline constexpr int kBlockK = 256;  // length of one chain of a matmul
inline constexpr int kKvBlock = 32;  // positions of one block of the KV cache

// exp(x): n = round(x / ln 2), r = x - n ln 2 in two steps, a polynomial in r, and n added to the exponent.
inline constexpr float kExpLow =
    -87.336540F;  // just above ln 2^-126: smaller arguments give 0, not a denormal
inline constexpr float kExpHigh = 88.722835F;  // just below ln of the largest float
inline constexpr float kLog2E = 1.44269504088896341F;
inline constexpr float kRoundMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
inline constexpr float kLn2High = 0.693359375F;    // 9 bits of mantissa, so n * kLn2High is exact
inline constexpr float kLn2Low = -2.12194440e-4F;
// exp(r) = 1 + r + r^2 (kExpP2 + kExpP3 r + ...) on |r| <= ln 2 / 2.
inline constexpr float kExpP2 = 5.0000001201e-1F;
inline constexpr float kExpP3 = 1.6666665459e-1F;
inline constexpr float kExpP4 = 4.1665795894e-2F;
inline constexpr float kExpP5 = 8.3334519073e-3F;
inline constexpr float kExpP6 = 1.3981999507e-3F;
inline constexpr float kExpP7 = 1.9875691500e-4F;

// tanh(x) = x + x^3 P(x^2) below kTanhSmall in magnitude, else 1 - 2 / (exp(2|x|) + 1) with the sign of x.
inline constexpr float kTanhSmall = 0.625F;
inline constexpr float kTanhP0 = -3.33332819422e-1F;
inline constexpr float kTanhP1 = 1.33314422036e-1F;
inline constexpr float kTanhP2 = -5.37397155531e-2F;
inline constexpr float kTanhP3 = 2.06390887954e-2F;
inline constexpr float kTanhP4 = -5.70498872745e-3F;

// gelu_tanh(x) = x / 2 (1 + tanh u) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3).
inline constexpr float kGeluTwoSqrt2OverPi = 1.5957691216057308F;
inline constexpr float kGeluCubic = 0.044715F;

}  // namespace moe::kernels
