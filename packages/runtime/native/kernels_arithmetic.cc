// Elementwise arithmetic and sums: wide passes on all threads. Compiled once per instruction set.
#include <cmath>
#include <cstring>

#include "kernels.h"
#include "rows.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

void relu_gradient(const float* dy, const float* y, int64_t count, float slope, float* dx) {
  if (slope == 0.f) {
    // Not 0 * dy: an infinite gradient must not become NaN.
    for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0.f ? dy[i] : 0.f;
    return;
  }
  for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0.f ? dy[i] : slope * dy[i];
}

constexpr float kRootHalf = 0.70710678f, kNormalDensity = 0.39894228f;

void gelu(const float* x, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = 0.5f * x[i] * (1.f + std::erf(x[i] * kRootHalf));
}

void gelu_gradient(const float* dy, const float* x, int64_t count, float* dx) {
  for (int64_t i = 0; i < count; ++i)
    dx[i] = dy[i] * (0.5f * (1.f + std::erf(x[i] * kRootHalf)) + x[i] * kNormalDensity * std::exp(-0.5f * x[i] * x[i]));
}

// T is float or Vec.
template <int operation, typename T>
SEMISEG_INLINE T apply(T a, T b) {
  if constexpr (operation == kAdd) return a + b;
  else if constexpr (operation == kSubtract) return a - b;
  else if constexpr (operation == kMultiply) return a * b;
  else if constexpr (operation == kDivide) return a / b;
  else if constexpr (operation == kSubtractFrom) return b - a;
  else return b / a;
}

// One value of `small` for each run of kMid values.
template <int operation, int kMid>
void binary_short_runs(const float* full, const float* small, int64_t begin, int64_t end, float* out) {
  for (int64_t o = begin; o < end; ++o)
    for (int m = 0; m < kMid; ++m) out[o * kMid + m] = apply<operation>(full[o * kMid + m], small[o]);
}

template <int operation>
void binary_of(const float* full, const float* small, int64_t outer, int64_t mid, int64_t inner, float* out,
               const Parallel& parallel) {
  if (mid == 1) {
    parallel(outer * inner, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = apply<operation>(full[i], small[i]);
    });
  } else if (inner == 1 && mid <= 4) {
    parallel(outer, mid, [&](int64_t begin, int64_t end) {
      if (mid == 2) binary_short_runs<operation, 2>(full, small, begin, end, out);
      else if (mid == 3) binary_short_runs<operation, 3>(full, small, begin, end, out);
      else binary_short_runs<operation, 4>(full, small, begin, end, out);
    });
  } else if (inner == 1) {
    // Long runs are shared out too: outer may be 1.
    const int64_t run = std::min<int64_t>(mid, 4096), runs = (mid + run - 1) / run;
    parallel(outer * runs, run, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float b = small[r / runs];
        const int64_t first = r / runs * mid + r % runs * run, last = std::min((r / runs + 1) * mid, first + run);
        for (int64_t i = first; i < last; ++i) out[i] = apply<operation>(full[i], b);
      }
    });
  } else {
    for (int64_t o = 0; o < outer; ++o) {
      const View v = widened(mid, inner);
      const std::vector<float> b = repeated(small + o * inner, inner, v.fold);
      const float* x = full + o * mid * inner;
      float* y = out + o * mid * inner;
      parallel(v.rows, v.channels / 2 + 1, [&](int64_t begin, int64_t end) {
        for (int64_t c = 0; c < v.channels; c += kLanes) {
          const int lanes = static_cast<int>(std::min<int64_t>(kLanes, v.channels - c));
          const Vec vb = load(b.data() + c);
          for (int64_t r = begin; r < end; ++r) {
            const float* p = x + r * v.channels + c;
            const Vec value = apply<operation>(lanes == kLanes ? load(p) : load_some(p, lanes), vb);
            if (lanes == kLanes) store(y + r * v.channels + c, value);
            else store_some(y + r * v.channels + c, value, lanes);
          }
        }
      });
    }
  }
}

void binary(int operation, const float* full, const float* small, int64_t outer, int64_t mid, int64_t inner, float* out,
            const Parallel& parallel) {
  switch (operation) {
    case kAdd: return binary_of<kAdd>(full, small, outer, mid, inner, out, parallel);
    case kSubtract: return binary_of<kSubtract>(full, small, outer, mid, inner, out, parallel);
    case kMultiply: return binary_of<kMultiply>(full, small, outer, mid, inner, out, parallel);
    case kDivide: return binary_of<kDivide>(full, small, outer, mid, inner, out, parallel);
    case kSubtractFrom: return binary_of<kSubtractFrom>(full, small, outer, mid, inner, out, parallel);
    default: return binary_of<kDivideInto>(full, small, outer, mid, inner, out, parallel);
  }
}
void broadcast(const float* small, int64_t outer, int64_t mid, int64_t inner, float* out, const Parallel& parallel) {
  // Short rows are written as whole vectors of several of them.
  const View v = widened(mid, inner);
  const int64_t run = std::max<int64_t>(1, 4096 / v.channels), runs = (v.rows + run - 1) / run;
  parallel(outer * runs, run * v.channels / 8 + 16, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / runs, first = item % runs * run, last = std::min(v.rows, first + run);
      const std::vector<float> row = repeated(small + o * inner, inner, v.fold);
      float* to = out + o * mid * inner;
      for (int64_t r = first; r < last; ++r) std::memcpy(to + r * v.channels, row.data(), v.channels * sizeof(float));
    }
  });
}

void row_sums(const float* x, int64_t begin, int64_t end, int64_t channels, float* sums) {
  row_sums_of(x, begin, end, channels, sums);
}

void channel_sums(const float* x, int64_t rows, int64_t channels, float* sums, const Parallel& parallel) {
  const View v = widened(rows, channels);
  const int64_t parts = std::min<int64_t>(kParts, std::max<int64_t>(1, v.rows / 64)), block = block_rows(v.channels);
  std::vector<double> own(parts * v.channels, 0.0);
  parallel(parts, v.rows / parts * v.channels / 4 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t last = v.rows * (part + 1) / parts;
      for (int64_t r0 = v.rows * part / parts; r0 < last; r0 += block) {
        const int64_t r1 = std::min(last, r0 + block);
        for (int64_t c = 0; c < v.channels; c += kLanes) {
          const int lanes = static_cast<int>(std::min<int64_t>(kLanes, v.channels - c));
          Vec sum[4] = {zero(), zero(), zero(), zero()};
          for (int64_t r = r0; r < r1; ++r) {
            const float* p = x + r * v.channels + c;
            sum[r & 3] += lanes == kLanes ? load(p) : load_some(p, lanes);
          }
          const Vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
          for (int k = 0; k < lanes; ++k) own[part * v.channels + c + k] += all[k];
        }
      }
    }
  });
  std::vector<double> total(channels, 0.0);
  for (int64_t i = 0; i < parts * v.channels; ++i) total[i % v.channels % channels] += own[i];
  for (int64_t c = 0; c < channels; ++c) sums[c] = static_cast<float>(total[c]);
}

}  // namespace

void fill_arithmetic(Kernels* k) {
  k->relu_gradient = relu_gradient;
  k->gelu = gelu;
  k->gelu_gradient = gelu_gradient;
  k->binary = binary;
  k->broadcast = broadcast;
  k->row_sums = row_sums;
  k->channel_sums = channel_sums;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
