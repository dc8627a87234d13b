// Functions whose loops become vectors. Compiled once per instruction set.
#pragma once
#include <cmath>
#include <cstring>

#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// exp(x) for x <= 0, without branches so that loops over it become vectors: 2^n * p(r), relative error below 2e-7.
SEMISEG_INLINE float exp_negative(float x) {
  x = x < -87.f ? -87.f : x;
  const float n = std::floor(x * 1.44269504f + 0.5f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

// ln(x) for x from the smallest normal number on, without branches; relative error below 2e-7 away from 1, absolute
// error below 1e-7 near it.
SEMISEG_INLINE float log_positive(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  const int32_t e = (bits - 0x3f3504f3) >> 23;
  bits -= e << 23;
  float m;
  std::memcpy(&m, &bits, sizeof m);
  const float f = m - 1.f, s = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float n = static_cast<float>(e);
  float y = p * f * s - 2.12194440e-4f * n - 0.5f * s;
  return f + y + 0.693359375f * n;
}

}  // namespace
}  // namespace SEMISEG_TARGET
}  // namespace semiseg
