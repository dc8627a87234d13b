// Vectors of the widest kind of the instruction set being compiled for.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define SEMISEG_INLINE static inline __attribute__((always_inline))

namespace semiseg {
namespace SEMISEG_TARGET {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef float UnalignedVec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

SEMISEG_INLINE Vec zero() { return Vec{}; }
SEMISEG_INLINE Vec load(const float* p) { return (Vec) * (const UnalignedVec*)p; }
SEMISEG_INLINE void store(float* p, Vec v) { *(UnalignedVec*)p = v; }
SEMISEG_INLINE Vec splat(float a) { return a - Vec{}; }

// The first `count` lanes, 0 <= count <= kLanes.
SEMISEG_INLINE void store_some(float* p, Vec v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
  for (int i = 0; i < count; ++i) p[i] = v[i];
#endif
}

SEMISEG_INLINE Vec load_some(const float* p, int count) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  Vec v = zero();
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
#endif
}

// `count` values are left of a row; lanes past them are 0.
SEMISEG_INLINE Vec load_part(const float* p, int64_t count) {
  return count >= kLanes ? load(p) : load_some(p, static_cast<int>(count));
}
SEMISEG_INLINE void store_part(float* p, Vec v, int64_t count) {
  if (count >= kLanes) store(p, v);
  else store_some(p, v, static_cast<int>(count));
}
SEMISEG_INLINE float total(Vec v) {
  typedef float Four __attribute__((vector_size(16)));
  typedef int Indices __attribute__((vector_size(16)));
  Four parts[kLanes / 4];
  std::memcpy(parts, &v, sizeof v);
  Four sum = parts[0];
  for (int k = 1; k < kLanes / 4; ++k) sum += parts[k];
  sum += __builtin_shuffle(sum, Indices{2, 3, 0, 1});
  return sum[0] + sum[1];
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
