// Normalisation, optimizers and losses in few passes over memory. Compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// A view of [rows, channels] in which narrow rows are joined until they fill a vector.
struct View {
  int64_t rows, channels, fold;  // fold: original rows per row of the view
};

View widened(int64_t rows, int64_t channels) {
  int64_t fold = 1;
  while (channels * fold * 2 <= kLanes && rows % (fold * 2) == 0) fold *= 2;
  return {rows / fold, channels * fold, fold};
}

std::vector<float> repeated(const float* values, int64_t channels, int64_t fold) {
  std::vector<float> out(channels * fold + kLanes, 0.f);
  for (int64_t f = 0; f < fold; ++f) std::copy(values, values + channels, out.begin() + f * channels);
  return out;
}

constexpr int64_t kParts = 16;  // fixed, so that results do not depend on the number of threads

int64_t block_rows(int64_t channels) { return std::max<int64_t>(8, 4096 / channels); }

// Mean and sum of squared deviations of each channel over [rows, channels]: two passes within a block that is in
// cache, blocks combined by Chan, Golub and LeVeque (1983).
struct Moments {
  std::vector<double> mean, m2;
  double count = 0;
  explicit Moments(int64_t channels) : mean(channels, 0.0), m2(channels, 0.0) {}
  void combine(double n, const float* block_mean, const float* block_m2, int64_t first, int64_t channels) {
    const double total = count + n;
    for (int64_t c = 0; c < channels; ++c) {
      const double delta = block_mean[c] - mean[first + c];
      mean[first + c] += delta * n / total;
      m2[first + c] += block_m2[c] + delta * delta * count * n / total;
    }
  }
  void merge(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count;
    for (size_t c = 0; c < mean.size(); ++c) {
      const double delta = other.mean[c] - mean[c];
      mean[c] += delta * other.count / total;
      m2[c] += other.m2[c] + delta * delta * count * other.count / total;
    }
    count = total;
  }
};

void block_moments(const float* x, int64_t rows, int64_t channels, Moments& out) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int lanes = static_cast<int>(std::min<int64_t>(kLanes, channels - c));
    const auto at = [&](int64_t r) { return lanes == kLanes ? load(x + r * channels + c) : load_some(x + r * channels + c, lanes); };
    Vec sums[4] = {zero(), zero(), zero(), zero()};
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      for (int k = 0; k < 4; ++k) sums[k] += at(r + k);
    for (; r < rows; ++r) sums[0] += at(r);
    const Vec mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * splat(1.f / static_cast<float>(rows));
    for (Vec& s : sums) s = zero();
    for (r = 0; r + 4 <= rows; r += 4)
      for (int k = 0; k < 4; ++k) {
        const Vec d = at(r + k) - mean;
        sums[k] += d * d;
      }
    for (; r < rows; ++r) {
      const Vec d = at(r) - mean;
      sums[0] += d * d;
    }
    float block_mean[kLanes], block_m2[kLanes];
    store(block_mean, mean);
    store(block_m2, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    out.combine(static_cast<double>(rows), block_mean, block_m2, c, lanes);
  }
  out.count += static_cast<double>(rows);
}

// Per-channel moments of x [rows, channels], folded back to the original channels.
Moments channel_moments(const float* x, int64_t rows, int64_t channels, const Parallel& parallel) {
  const View v = widened(rows, channels);
  const int64_t parts = std::min<int64_t>(kParts, std::max<int64_t>(1, v.rows / 64));
  std::vector<Moments> partial(parts, Moments(v.channels));
  const int64_t block = block_rows(v.channels);
  parallel(parts, v.rows / parts * v.channels / 4 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t last = v.rows * (part + 1) / parts;
      for (int64_t r = v.rows * part / parts; r < last; r += block)
        block_moments(x + r * v.channels, std::min(block, last - r), v.channels, partial[part]);
    }
  });
  for (int64_t part = 1; part < parts; ++part) partial[0].merge(partial[part]);
  Moments out(channels);
  for (int64_t f = 0; f < v.fold; ++f) {
    Moments one(channels);
    one.count = partial[0].count;
    for (int64_t c = 0; c < channels; ++c) {
      one.mean[c] = partial[0].mean[f * channels + c];
      one.m2[c] = partial[0].m2[f * channels + c];
    }
    out.merge(one);
  }
  return out;
}

// y = x * scale + shift per channel, with optional ReLU.
void affine(const float* x, int64_t rows, int64_t channels, const float* scale, const float* shift, bool relu, float* y,
            const Parallel& parallel) {
  const View v = widened(rows, channels);
  const std::vector<float> a = repeated(scale, channels, v.fold), b = repeated(shift, channels, v.fold);
  const float floor = relu ? 0.f : -INFINITY;
  parallel(v.rows, v.channels / 2 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = 0; c < v.channels; c += kLanes) {
      const int lanes = static_cast<int>(std::min<int64_t>(kLanes, v.channels - c));
      const Vec sa = load(a.data() + c), sb = load(b.data() + c), low = splat(floor);
      for (int64_t r = begin; r < end; ++r) {
        const float* p = x + r * v.channels + c;
        Vec value = (lanes == kLanes ? load(p) : load_some(p, lanes)) * sa + sb;
        value = value < low ? low : value;  // NaN stays NaN: a broken loss must be seen
        if (lanes == kLanes) store(y + r * v.channels + c, value);
        else store_some(y + r * v.channels + c, value, lanes);
      }
    }
  });
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
  float sum = 0;
  for (int k = 0; k < kLanes; ++k) sum += v[k];
  return sum;
}

// Layer normalisation: every row of [rows, channels] by its own statistics.
void norm_rows_forward(const float* x, const float* gamma, const float* beta, int64_t rows, int64_t channels,
                       float epsilon, bool relu, float* y, float* mean, float* inverse_std, const Parallel& parallel) {
  const float floor = relu ? 0.f : -INFINITY;
  parallel(rows, 2 * channels + 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* p = x + r * channels;
      float* q = y + r * channels;
      Vec sum = zero();
      for (int64_t c = 0; c < channels; c += kLanes) sum += load_part(p + c, channels - c);
      const float average = total(sum) / channels;
      Vec squares = zero();
      for (int64_t c = 0; c < channels; c += kLanes) {
        // What lies past the row is 0 and would count as a deviation.
        const int64_t left = channels - c;
        Vec d = load_part(p + c, left) - splat(average);
        if (left < kLanes)
          for (int k = static_cast<int>(left); k < kLanes; ++k) d[k] = 0.f;
        squares += d * d;
      }
      const float inverse = 1.f / std::sqrt(total(squares) / channels + epsilon);
      mean[r] = average;
      inverse_std[r] = inverse;
      for (int64_t c = 0; c < channels; c += kLanes) {
        const int64_t left = channels - c;
        Vec v = (load_part(p + c, left) - splat(average)) * splat(inverse) * load_part(gamma + c, left) + load_part(beta + c, left);
        v = v < splat(floor) ? splat(floor) : v;
        store_part(q + c, v, left);
      }
    }
  });
}

void norm_rows_gradient(const float* dy, const float* x, const float* gamma, const float* beta, const float* mean,
                        const float* inverse_std, int64_t rows, int64_t channels, bool relu, float* dx, float* dgamma,
                        float* dbeta, const Parallel& parallel) {
  const int64_t parts = std::min<int64_t>(kParts, std::max<int64_t>(1, rows / 64));
  const int64_t width = (channels + kLanes - 1) / kLanes * kLanes;
  std::vector<double> sums(parts * 2 * channels, 0.0);
  parallel(parts, rows / parts * channels * 4 + 1, [&](int64_t first, int64_t last) {
    std::vector<float> own(2 * width);
    for (int64_t part = first; part < last; ++part) {
      const int64_t end = rows * (part + 1) / parts;
      for (int64_t r0 = rows * part / parts; r0 < end; r0 += 64) {
        std::fill(own.begin(), own.end(), 0.f);
        for (int64_t r = r0; r < std::min(end, r0 + 64); ++r) {
          const float *p = x + r * channels, *g = dy + r * channels;
          const Vec mu = splat(mean[r]), inverse = splat(inverse_std[r]);
          Vec s1 = zero(), s2 = zero();
          // Past the row the gradient is 0, which keeps those lanes out of the sums.
          const auto at = [&](int64_t c, Vec* gradient, Vec* normal) {
            const int64_t left = channels - c;
            *gradient = load_part(g + c, left);
            *normal = (load_part(p + c, left) - mu) * inverse;
            if (relu) *gradient = *normal * load_part(gamma + c, left) + load_part(beta + c, left) > zero() ? *gradient : zero();
          };
          for (int64_t c = 0; c < channels; c += kLanes) {
            Vec gradient, normal;
            at(c, &gradient, &normal);
            const Vec scaled = gradient * load_part(gamma + c, channels - c);
            s1 += scaled;
            s2 += scaled * normal;
            store(own.data() + c, load(own.data() + c) + gradient * normal);
            store(own.data() + width + c, load(own.data() + width + c) + gradient);
          }
          const Vec m1 = splat(total(s1) / channels), m2 = splat(total(s2) / channels);
          for (int64_t c = 0; c < channels; c += kLanes) {
            Vec gradient, normal;
            at(c, &gradient, &normal);
            store_part(dx + r * channels + c, inverse * (gradient * load_part(gamma + c, channels - c) - m1 - normal * m2), channels - c);
          }
        }
        double* to = sums.data() + part * 2 * channels;
        for (int64_t c = 0; c < channels; ++c) {
          to[c] += own[c];
          to[channels + c] += own[width + c];
        }
      }
    }
  });
  for (int64_t c = 0; c < channels; ++c) {
    double a = 0, b = 0;
    for (int64_t part = 0; part < parts; ++part) {
      a += sums[part * 2 * channels + c];
      b += sums[part * 2 * channels + channels + c];
    }
    dgamma[c] = static_cast<float>(a);
    dbeta[c] = static_cast<float>(b);
  }
}

void norm_forward(const float* x, const float* gamma, const float* beta, int64_t samples, int64_t rows, int64_t channels,
                  int64_t groups, float epsilon, bool relu, float* y, float* mean, float* inverse_std,
                  const Parallel& parallel) {
  if (rows == 1 && groups == 1)
    return norm_rows_forward(x, gamma, beta, samples, channels, epsilon, relu, y, mean, inverse_std, parallel);
  std::vector<float> scale(channels), shift(channels);
  const bool batch = groups == 0;
  const int64_t outer = batch ? 1 : samples, inner = batch ? samples * rows : rows;
  const int64_t sets = batch ? channels : groups, width = channels / sets;
  for (int64_t n = 0; n < outer; ++n) {
    const float* xs = x + n * inner * channels;
    const Moments m = channel_moments(xs, inner, channels, parallel);
    for (int64_t g = 0; g < sets; ++g) {
      // Channels of a group joined: equal counts.
      double average = 0, m2 = 0;
      for (int64_t c = g * width; c < (g + 1) * width; ++c) average += m.mean[c] / width;
      for (int64_t c = g * width; c < (g + 1) * width; ++c)
        m2 += m.m2[c] + m.count * (m.mean[c] - average) * (m.mean[c] - average);
      const double inverse = 1.0 / std::sqrt(m2 / (m.count * width) + epsilon);
      mean[n * sets + g] = static_cast<float>(average);
      inverse_std[n * sets + g] = static_cast<float>(inverse);
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        scale[c] = static_cast<float>(gamma[c] * inverse);
        shift[c] = static_cast<float>(beta[c] - average * gamma[c] * inverse);
      }
    }
    affine(xs, inner, channels, scale.data(), shift.data(), relu, y + n * inner * channels, parallel);
  }
}

void norm_gradient(const float* dy, const float* x, const float* gamma, const float* beta, const float* mean,
                   const float* inverse_std, int64_t samples, int64_t rows, int64_t channels, int64_t groups, bool relu,
                   float* dx, float* dgamma, float* dbeta, const Parallel& parallel) {
  if (rows == 1 && groups == 1)
    return norm_rows_gradient(dy, x, gamma, beta, mean, inverse_std, samples, channels, relu, dx, dgamma, dbeta, parallel);
  const bool batch = groups == 0;
  const int64_t outer = batch ? 1 : samples, inner = batch ? samples * rows : rows;
  const int64_t sets = batch ? channels : groups, width = channels / sets;
  std::vector<double> total_gamma(channels, 0.0), total_beta(channels, 0.0);
  for (int64_t n = 0; n < outer; ++n) {
    const int64_t offset = n * inner * channels;
    std::vector<float> mu(channels), inverse(channels), scale(channels), shift(channels);
    for (int64_t c = 0; c < channels; ++c) {
      mu[c] = mean[n * sets + c / width];
      inverse[c] = inverse_std[n * sets + c / width];
      // The forward pass's own expression: the ReLU mask must be the same.
      scale[c] = static_cast<float>(static_cast<double>(gamma[c]) * inverse[c]);
      shift[c] = static_cast<float>(beta[c] - static_cast<double>(mu[c]) * gamma[c] * inverse[c]);
    }
    const View v = widened(inner, channels);
    const std::vector<float> wmu = repeated(mu.data(), channels, v.fold), winv = repeated(inverse.data(), channels, v.fold);
    const std::vector<float> wscale = repeated(scale.data(), channels, v.fold), wshift = repeated(shift.data(), channels, v.fold);
    const int64_t parts = std::min<int64_t>(kParts, std::max<int64_t>(1, v.rows / 64));
    std::vector<double> sums(parts * 2 * v.channels, 0.0);
    const int64_t block = block_rows(v.channels);
    parallel(parts, v.rows / parts * v.channels / 2 + 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        double* own = sums.data() + part * 2 * v.channels;
        const int64_t last = v.rows * (part + 1) / parts;
        for (int64_t r0 = v.rows * part / parts; r0 < last; r0 += block) {
          const int64_t r1 = std::min(last, r0 + block);
          for (int64_t c = 0; c < v.channels; c += kLanes) {
            const int lanes = static_cast<int>(std::min<int64_t>(kLanes, v.channels - c));
            const Vec m = load(wmu.data() + c), is = load(winv.data() + c), sc = load(wscale.data() + c), sh = load(wshift.data() + c);
            Vec s1[2] = {zero(), zero()}, s2[2] = {zero(), zero()};
            for (int64_t r = r0; r < r1; ++r) {
              const float* px = x + offset + r * v.channels + c;
              const float* pg = dy + offset + r * v.channels + c;
              const Vec value = lanes == kLanes ? load(px) : load_some(px, lanes);
              Vec g = lanes == kLanes ? load(pg) : load_some(pg, lanes);
              if (relu) g = value * sc + sh > zero() ? g : zero();
              s1[r & 1] += g;
              s2[r & 1] += g * ((value - m) * is);
            }
            float a[kLanes], b[kLanes];
            store(a, s1[0] + s1[1]);
            store(b, s2[0] + s2[1]);
            for (int k = 0; k < lanes; ++k) {
              own[c + k] += a[k];
              own[v.channels + c + k] += b[k];
            }
          }
        }
      }
    });
    std::vector<double> s1(channels, 0.0), s2(channels, 0.0);
    for (int64_t part = 0; part < parts; ++part)
      for (int64_t c = 0; c < v.channels; ++c) {
        s1[c % channels] += sums[part * 2 * v.channels + c];
        s2[c % channels] += sums[part * 2 * v.channels + v.channels + c];
      }
    // dx = g * a + x * b + k per channel.
    std::vector<float> a(channels), b(channels), k(channels);
    const double count = static_cast<double>(inner) * width;
    for (int64_t g = 0; g < sets; ++g) {
      double sum1 = 0, sum2 = 0;
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        sum1 += gamma[c] * s1[c];
        sum2 += gamma[c] * s2[c];
      }
      for (int64_t c = g * width; c < (g + 1) * width; ++c) {
        const double is = inverse[c];
        a[c] = static_cast<float>(gamma[c] * is);
        b[c] = static_cast<float>(-is * is * sum2 / count);
        k[c] = static_cast<float>(-is * sum1 / count + is * is * sum2 * mu[c] / count);
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      total_beta[c] += s1[c];
      total_gamma[c] += s2[c];
    }
    const std::vector<float> wa = repeated(a.data(), channels, v.fold), wb = repeated(b.data(), channels, v.fold), wk = repeated(k.data(), channels, v.fold);
    parallel(v.rows, v.channels, [&](int64_t begin, int64_t end) {
      for (int64_t c = 0; c < v.channels; c += kLanes) {
        const int lanes = static_cast<int>(std::min<int64_t>(kLanes, v.channels - c));
        const Vec va = load(wa.data() + c), vb = load(wb.data() + c), vk = load(wk.data() + c);
        const Vec sc = load(wscale.data() + c), sh = load(wshift.data() + c);
        for (int64_t r = begin; r < end; ++r) {
          const int64_t at = offset + r * v.channels + c;
          const Vec value = lanes == kLanes ? load(x + at) : load_some(x + at, lanes);
          Vec g = lanes == kLanes ? load(dy + at) : load_some(dy + at, lanes);
          if (relu) g = value * sc + sh > zero() ? g : zero();
          const Vec out = g * va + (value * vb + vk);
          if (lanes == kLanes) store(dx + at, out);
          else store_some(dx + at, out, lanes);
        }
      }
    });
  }
  for (int64_t c = 0; c < channels; ++c) {
    dgamma[c] = static_cast<float>(total_gamma[c]);
    dbeta[c] = static_cast<float>(total_beta[c]);
  }
}

void relu_gradient(const float* dy, const float* y, int64_t count, float slope, float* dx) {
  if (slope == 0.f) {
    // Not 0 * dy: an infinite gradient must not become NaN.
    for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0.f ? dy[i] : 0.f;
    return;
  }
  for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0.f ? dy[i] : slope * dy[i];
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

void row_sums(const float* x, int64_t begin, int64_t end, int64_t channels, float* sums) {
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

void sgd(const float* variable, const float* gradient, const float* velocity, int64_t count, float rate, float momentum,
         float decay, bool nesterov, float* new_variable, float* new_velocity) {
  const float look_ahead = nesterov ? momentum : 0.f, own = nesterov ? 1.f : 0.f;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] + decay * variable[i];
    const float v = momentum * velocity[i] + g;
    new_velocity[i] = v;
    new_variable[i] = variable[i] - rate * (nesterov ? own * g + look_ahead * v : v);
  }
}

void adamw(const float* variable, const float* gradient, const float* first, const float* second, int64_t count,
           float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2,
           float* new_variable, float* new_first, float* new_second) {
  const float c1 = 1.f / correction1, c2 = 1.f / correction2;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = beta1 * first[i] + (1.f - beta1) * g;
    const float v = beta2 * second[i] + (1.f - beta2) * g * g;
    new_first[i] = m;
    new_second[i] = v;
    new_variable[i] = variable[i] * (1.f - rate * decay) - rate * (m * c1) / (std::sqrt(v * c2) + epsilon);
  }
}

void ema(const float* target, const float* source, int64_t count, float decay, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = decay * target[i] + (1.f - decay) * source[i];
}

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

constexpr int64_t kVoxels = 256;
constexpr int64_t kMaxClasses = 64;

// Softmax of `count` voxels into p[class][voxel]; sum of log(sum exp(z - max)) and of the label's max - z.
void softmax_block(const float* z, int64_t count, int64_t channels, float (*p)[kVoxels], float* maximum, float* total) {
  for (int64_t i = 0; i < count; ++i) maximum[i] = z[i * channels];
  for (int64_t c = 1; c < channels; ++c)
    for (int64_t i = 0; i < count; ++i) {
      const float v = z[i * channels + c];
      maximum[i] = v > maximum[i] ? v : maximum[i];
    }
  for (int64_t i = 0; i < count; ++i) total[i] = 0.f;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < count; ++i) {
      const float e = exp_negative(z[i * channels + c] - maximum[i]);
      p[c][i] = e;
      total[i] += e;
    }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < count; ++i) p[c][i] /= total[i];
}

void softmax(const float* x, int64_t begin, int64_t end, int64_t channels, float* y) {
  if (channels <= kMaxClasses) {
    float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels];
    for (int64_t v = begin; v < end; v += kVoxels) {
      const int64_t count = std::min(kVoxels, end - v);
      softmax_block(x + v * channels, count, channels, p, maximum, total);
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < count; ++i) y[(v + i) * channels + c] = p[c][i];
    }
    return;
  }
  for (int64_t r = begin; r < end; ++r) {
    const float* z = x + r * channels;
    float* e = y + r * channels;
    float most[kLanes];
    for (int k = 0; k < kLanes; ++k) most[k] = z[0];
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes)
      for (int k = 0; k < kLanes; ++k) most[k] = z[c + k] > most[k] ? z[c + k] : most[k];
    for (; c < channels; ++c) most[0] = z[c] > most[0] ? z[c] : most[0];
    float maximum = most[0];
    for (int k = 1; k < kLanes; ++k) maximum = most[k] > maximum ? most[k] : maximum;
    for (c = 0; c < channels; ++c) e[c] = exp_negative(z[c] - maximum);
    float sum;
    row_sums(e, 0, 1, channels, &sum);
    for (c = 0; c < channels; ++c) e[c] /= sum;
  }
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

void correlation_rows(const float* zv, const float* za, int64_t begin, int64_t end, int64_t channels, float* loss,
                      float* gv, float* ga) {
  std::vector<float> logs(channels);
  for (int64_t r = begin; r < end; ++r) {
    float *v = gv + r * channels, *a = ga + r * channels;
    softmax(zv, r, r + 1, channels, gv);
    softmax(za, r, r + 1, channels, ga);
    float weighted[kLanes] = {}, share[kLanes] = {};
    const auto add = [&](int64_t c, int k) {
      const float s = v[c] + 1e-8f;
      logs[c] = log_positive(s);
      weighted[k] += a[c] * logs[c];
      share[k] += a[c] * v[c] / s;
    };
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes)
      for (int k = 0; k < kLanes; ++k) add(c + k, k);
    for (; c < channels; ++c) add(c, 0);
    float entropy = 0, shares = 0;
    for (int k = 0; k < kLanes; ++k) {
      entropy += weighted[k];
      shares += share[k];
    }
    loss[r] = entropy;
    for (c = 0; c < channels; ++c) {
      const float own = a[c];
      a[c] = own * (entropy - logs[c]);
      v[c] *= shares - own / (v[c] + 1e-8f);
    }
  }
}

void segmentation_sums(const float* logits, const int32_t* labels, int64_t begin, int64_t end, int64_t channels,
                       double* sums) {
  float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels];
  for (int64_t v = begin; v < end; v += kVoxels) {
    const int64_t count = std::min(kVoxels, end - v);
    const float* z = logits + v * channels;
    const int32_t* y = labels + v;
    softmax_block(z, count, channels, p, maximum, total);
    double cross_entropy = 0;
    for (int64_t i = 0; i < count; ++i)
      cross_entropy += std::log(total[i]) + maximum[i] - z[i * channels + y[i]];
    sums[0] += cross_entropy;
    for (int64_t c = 0; c < channels; ++c) {
      float intersection[4] = {}, squares[4] = {}, plain[4] = {};
      int64_t hits = 0;
      for (int64_t i = 0; i < count; ++i) {
        const float hit = y[i] == c ? 1.f : 0.f;
        hits += y[i] == c;
        intersection[i & 3] += p[c][i] * hit;
        squares[i & 3] += p[c][i] * p[c][i];
        plain[i & 3] += p[c][i];
      }
      double* own = sums + 1 + 4 * c;
      own[0] += (intersection[0] + intersection[1]) + (intersection[2] + intersection[3]);
      own[1] += (squares[0] + squares[1]) + (squares[2] + squares[3]);
      own[2] += (plain[0] + plain[1]) + (plain[2] + plain[3]);
      own[3] += static_cast<double>(hits);
    }
  }
}

void segmentation_gradient(const float* logits, const int32_t* labels, int64_t begin, int64_t end, int64_t channels,
                           float d_cross_entropy, const float* d_intersection, const float* d_squares,
                           const float* d_sums, float* d_logits) {
  float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels], mean[kVoxels];
  for (int64_t v = begin; v < end; v += kVoxels) {
    const int64_t count = std::min(kVoxels, end - v);
    const int32_t* y = labels + v;
    softmax_block(logits + v * channels, count, channels, p, maximum, total);
    for (int64_t i = 0; i < count; ++i) mean[i] = 0.f;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < count; ++i) {
        const float g = (y[i] == c ? d_intersection[c] : 0.f) + 2.f * d_squares[c] * p[c][i] + d_sums[c];
        mean[i] += g * p[c][i];
      }
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < count; ++i) {
        const float hit = y[i] == c ? 1.f : 0.f;
        const float g = hit * d_intersection[c] + 2.f * d_squares[c] * p[c][i] + d_sums[c];
        d_logits[(v + i) * channels + c] = d_cross_entropy * (p[c][i] - hit) + p[c][i] * (g - mean[i]);
      }
  }
}

}  // namespace

void fill_elementwise(Kernels* k) {
#if defined(__AVX512F__)
  k->name = "avx512";
#elif defined(__AVX2__)
  k->name = "avx2";
#else
  k->name = "portable";
#endif
  k->norm_forward = norm_forward;
  k->norm_gradient = norm_gradient;
  k->relu_gradient = relu_gradient;
  k->binary = binary;
  k->softmax = softmax;
  k->row_sums = row_sums;
  k->channel_sums = channel_sums;
  k->sgd = sgd;
  k->adamw = adamw;
  k->ema = ema;
  k->correlation_rows = correlation_rows;
  k->segmentation_sums = segmentation_sums;
  k->segmentation_gradient = segmentation_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
