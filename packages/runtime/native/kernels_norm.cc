// Normalisation in few passes over memory. Compiled once per instruction set.
#include <cmath>

#include "kernels.h"
#include "rows.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

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

}  // namespace

void fill_norm(Kernels* k) {
  k->norm_forward = norm_forward;
  k->norm_gradient = norm_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
