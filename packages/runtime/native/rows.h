// Views of [rows, channels] matrices that several kernels share. Compiled once per instruction set.
#pragma once
#include <algorithm>
#include <vector>

#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// A view of [rows, channels] in which narrow rows are joined until they fill a vector.
struct View {
  int64_t rows, channels, fold;  // fold: original rows per row of the view
};

SEMISEG_INLINE View widened(int64_t rows, int64_t channels) {
  int64_t fold = 1;
  while (channels * fold * 2 <= kLanes && rows % (fold * 2) == 0) fold *= 2;
  return {rows / fold, channels * fold, fold};
}

SEMISEG_INLINE std::vector<float> repeated(const float* values, int64_t channels, int64_t fold) {
  std::vector<float> out(channels * fold + kLanes, 0.f);
  for (int64_t f = 0; f < fold; ++f) std::copy(values, values + channels, out.begin() + f * channels);
  return out;
}

constexpr int64_t kParts = 16;  // fixed, so that results do not depend on the number of threads

SEMISEG_INLINE int64_t block_rows(int64_t channels) { return std::max<int64_t>(8, 4096 / channels); }

SEMISEG_INLINE void row_sums_of(const float* x, int64_t begin, int64_t end, int64_t channels, float* sums) {
  if (channels < kLanes) {
    for (int64_t r = begin; r < end; ++r) {
      float sum = 0;
      for (int64_t c = 0; c < channels; ++c) sum += x[r * channels + c];
      sums[r] = sum;
    }
    return;
  }
  for (int64_t r = begin; r < end; ++r) {
    const float* p = x + r * channels;
    double total = 0;
    // Blocks of a few vectors in float, joined in double: as exact as a pairwise sum.
    for (int64_t c0 = 0; c0 < channels; c0 += 64 * kLanes) {
      const int64_t c1 = std::min(channels, c0 + 64 * kLanes);
      Vec part = zero();
      int64_t c = c0;
      for (; c + kLanes <= c1; c += kLanes) part += load(p + c);
      if (c < c1) part += load_some(p + c, static_cast<int>(c1 - c));
      for (int k = 0; k < kLanes; ++k) total += part[k];
    }
    sums[r] = static_cast<float>(total);
  }
}

}  // namespace
}  // namespace SEMISEG_TARGET
}  // namespace semiseg
