// The operators on a CUDA device: each a few wide passes over memory. NVRTC compiles this behind signatures.h.
//
// Results do not depend on the device or on timing: sums are cut into parts by the sizes alone, every block adds its part in
// a fixed order, and a second small kernel joins the parts.

// What a kernel writes is none of what it reads, so loads may go before earlier stores.
#define SEMISEG_IN const float* __restrict__
#define SEMISEG_OUT float* __restrict__
#define SEMISEG_ENTRY SEMISEG_GLOBAL __launch_bounds__(kThreads)

namespace semiseg_cuda {

// Neighbouring floats that a thread reads and writes at once.
template <int V>
struct alignas(4 * V) Pack {
  float v[V];
};

template <int V>
__device__ inline Pack<V> load(SEMISEG_IN p) {
  return *reinterpret_cast<const Pack<V>*>(p);
}

template <int V>
__device__ inline void store(float* p, const Pack<V>& value) {
  *reinterpret_cast<Pack<V>*>(p) = value;
}

// Sum over the threads of a block, the same in all of them.
__device__ inline double block_sum(double value) {
  __shared__ double sums[kThreads];
  const int t = threadIdx.x;
  sums[t] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    __syncthreads();
  }
  const double total = sums[0];
  __syncthreads();
  return total;
}

// Sum over each run of `lanes` threads (a power of 2), the same in all of them.
__device__ inline float lane_sum(float value, int lanes) {
  __shared__ float sums[kThreads];
  const int t = threadIdx.x, lane = t % lanes;
  sums[t] = value;
  __syncthreads();
  for (int half = lanes / 2; half > 0; half /= 2) {
    if (lane < half) sums[t] += sums[t + half];
    __syncthreads();
  }
  const float total = sums[t - lane];
  __syncthreads();
  return total;
}

// ---- Normalisation ----

// Forward and gradient share the expression, so that the ReLU's mask is the same in both.
__device__ inline float normalised(float x, float mean, float scale, float beta) { return fmaf(x - mean, scale, beta); }

__device__ inline Index part_begin(const Norm& s, Index part) { return s.rows * part / s.parts; }

// Where a thread works: on a pack of channels of every `step`-th row of a part. Neighbouring threads have neighbouring
// packs, those of one row and then of the next, so that a block reads memory in one run.
struct Place {
  Index outer, part, row, end;
  int channel, step, width, lane;
  bool active;
};

template <int V>
__device__ inline Place place_of(const Norm& s) {
  const int packs = s.channels / V, t = threadIdx.x;
  Place p;
  p.width = packs < kThreads ? packs : kThreads;
  p.step = kThreads / p.width;
  p.lane = t / p.width;
  const int tiles = (packs + p.width - 1) / p.width;
  const Index block = blockIdx.x, tile = block / s.parts % tiles;
  p.part = block % s.parts;
  p.outer = block / s.parts / tiles;
  const int pack = static_cast<int>(tile) * p.width + t % p.width;
  p.channel = pack * V;
  p.active = p.lane < p.step && pack < packs;
  p.row = part_begin(s, p.part) + p.lane;
  p.end = p.active ? part_begin(s, p.part + 1) : 0;
  return p;
}

// Values of `partial` [outer, parts, 2, channels].
__device__ inline Index partial_at(const Norm& s, Index outer, Index part, int which, int channel) {
  return ((outer * s.parts + part) * 2 + which) * s.channels + channel;
}

// Mean and sum of squared deviations of what a thread or several have seen (Chan, Golub and LeVeque 1983).
struct Moments {
  float count, mean, m2;
};

__device__ inline Moments joined(Moments a, float count, float mean, float m2) {
  const float total = a.count + count, share = count / total, delta = mean - a.mean;
  return {total, a.mean + delta * share, a.m2 + (m2 + delta * delta * (a.count * share))};
}

// Moments per channel and part, of x minus the part's first row: that takes the digits of a large mean away. Where the row is
// an outlier little is lost, because deviations are from running means, not from that row.
template <int V>
__device__ inline void norm_statistics(SEMISEG_IN x, const Norm& s, SEMISEG_OUT partial) {
  __shared__ float counts[kThreads], means[V][kThreads], m2s[V][kThreads];
  Place p = place_of<V>(s);
  const int t = threadIdx.x;
  Moments own[V];
  for (int k = 0; k < V; ++k) own[k] = {0.f, 0.f, 0.f};
  if (p.active && p.row < p.end) {
    const float* from = x + p.outer * s.rows * s.channels + p.channel;
    const Pack<V> shift = load<V>(from + part_begin(s, p.part) * s.channels);
    for (; p.row + 3 * p.step < p.end; p.row += 4 * p.step) {
      Pack<V> rows[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) rows[i] = load<V>(from + (p.row + i * p.step) * s.channels);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        const float a = rows[0].v[k] - shift.v[k], b = rows[1].v[k] - shift.v[k];
        const float c = rows[2].v[k] - shift.v[k], d = rows[3].v[k] - shift.v[k];
        const float mean = 0.25f * ((a + b) + (c + d));
        const float m2 = ((a - mean) * (a - mean) + (b - mean) * (b - mean)) + ((c - mean) * (c - mean) + (d - mean) * (d - mean));
        own[k] = joined(own[k], 4.f, mean, m2);
      }
    }
    for (; p.row < p.end; p.row += p.step) {
      const Pack<V> row = load<V>(from + p.row * s.channels);
#pragma unroll
      for (int k = 0; k < V; ++k) own[k] = joined(own[k], 1.f, row.v[k] - shift.v[k], 0.f);
    }
  }
  counts[t] = own[0].count;
  for (int k = 0; k < V; ++k) {
    means[k][t] = own[k].mean;
    m2s[k][t] = own[k].m2;
  }
  __syncthreads();
  for (int lanes = p.step; lanes > 1;) {
    const int half = (lanes + 1) / 2, other = t + half * p.width;
    // A lane has at least as many rows as those after it: own counts are 0 only where the others' are.
    if (p.active && p.lane < lanes - half && counts[other] > 0.f) {
      const float count = counts[t];
      for (int k = 0; k < V; ++k) {
        const Moments all = joined({count, means[k][t], m2s[k][t]}, counts[other], means[k][other], m2s[k][other]);
        counts[t] = all.count;
        means[k][t] = all.mean;
        m2s[k][t] = all.m2;
      }
    }
    lanes = half;
    __syncthreads();
  }
  if (!p.active || p.lane > 0) return;
  Pack<V> mean, m2;
  for (int k = 0; k < V; ++k) {
    mean.v[k] = means[k][t];
    m2.v[k] = m2s[k][t];
  }
  store<V>(partial + partial_at(s, p.outer, p.part, 0, p.channel), mean);
  store<V>(partial + partial_at(s, p.outer, p.part, 1, p.channel), m2);
}

// f(rows, mean, sum of squared deviations) of each part of `width` channels from `first` on, shared out to the threads.
template <typename F>
__device__ inline void for_moments(SEMISEG_IN x, SEMISEG_IN partial, const Norm& s, Index outer, int first, int width, const F& f) {
  for (Index i = threadIdx.x; i < s.parts * width; i += kThreads) {
    const Index part = i / width, begin = part_begin(s, part), rows = part_begin(s, part + 1) - begin;
    const int c = first + static_cast<int>(i % width);
    const double shift = rows > 0 ? x[(outer * s.rows + begin) * s.channels + c] : 0.f;
    f(rows, shift + partial[partial_at(s, outer, part, 0, c)], partial[partial_at(s, outer, part, 1, c)]);
  }
}

// One block per outer index and set.
SEMISEG_ENTRY semiseg_norm_finish(SEMISEG_IN x, SEMISEG_IN partial, Norm s, float epsilon, SEMISEG_OUT mean, SEMISEG_OUT inverse) {
  const Index outer = blockIdx.x / s.sets, all = s.rows * (s.channels / s.sets);
  const int width = s.channels / s.sets, first = static_cast<int>(blockIdx.x % s.sets) * width;
  double sum = 0, m2 = 0;
  for_moments(x, partial, s, outer, first, width, [&](Index rows, double own, float) { sum += rows * own; });
  const double average = block_sum(sum) / all;
  for_moments(x, partial, s, outer, first, width,
              [&](Index rows, double own, float own_m2) { m2 += own_m2 + rows * (own - average) * (own - average); });
  const double variance = block_sum(m2) / all;
  if (threadIdx.x > 0) return;
  mean[blockIdx.x] = static_cast<float>(average);
  inverse[blockIdx.x] = static_cast<float>(1.0 / sqrt(variance + epsilon));
}

// What a thread needs of its channels.
template <int V>
struct Channels {
  Pack<V> gamma, beta, mean, inverse, scale;
};

template <int V>
__device__ inline void take_statistics(Channels<V>& c, int k, SEMISEG_IN mean, SEMISEG_IN inverse, Index at) {
  c.mean.v[k] = mean[at];
  c.inverse.v[k] = inverse[at];
  c.scale.v[k] = c.gamma.v[k] * c.inverse.v[k];
}

template <int V>
__device__ inline Channels<V> channels_of(const Norm& s, const Place& p, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean,
                                          SEMISEG_IN inverse) {
  Channels<V> c;
  c.gamma = load<V>(gamma + p.channel);
  c.beta = load<V>(beta + p.channel);
  if (s.sets > 0)
    for (int k = 0; k < V; ++k)
      take_statistics<V>(c, k, mean, inverse, p.outer * s.sets + (p.channel + k) / (s.channels / s.sets));
  return c;
}

template <int V>
__device__ inline void norm_apply(SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean, SEMISEG_IN inverse,
                                  const Norm& s, SEMISEG_OUT y) {
  Place p = place_of<V>(s);
  if (!p.active) return;
  const Channels<V> c = channels_of<V>(s, p, gamma, beta, mean, inverse);
  const Index from = p.outer * s.rows * s.channels + p.channel;
#pragma unroll 4
  for (; p.row < p.end; p.row += p.step) {
    Pack<V> value = load<V>(x + from + p.row * s.channels);
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const float v = normalised(value.v[k], c.mean.v[k], c.scale.v[k], c.beta.v[k]);
      // NaN stays NaN: a broken loss must be seen.
      value.v[k] = s.relu && v < 0.f ? 0.f : v;
    }
    store<V>(y + from + p.row * s.channels, value);
  }
}

// The gradient behind the ReLU, and the normalised input.
template <int V>
__device__ inline void masked(const Norm& s, const Channels<V>& c, const Pack<V>& x, Pack<V>& gradient, Pack<V>& normal) {
#pragma unroll
  for (int k = 0; k < V; ++k) {
    const bool open = !s.relu || normalised(x.v[k], c.mean.v[k], c.scale.v[k], c.beta.v[k]) > 0.f;
    gradient.v[k] = open ? gradient.v[k] : 0.f;
    normal.v[k] = (x.v[k] - c.mean.v[k]) * c.inverse.v[k];
  }
}

// Sums per channel and part: of the gradient, and of its product with the normalised input.
template <int V>
__device__ inline void norm_gradient_sums(SEMISEG_IN dy, SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean,
                                          SEMISEG_IN inverse, const Norm& s, SEMISEG_OUT partial) {
  __shared__ float sums[2][V][kThreads];
  Place p = place_of<V>(s);
  const int t = threadIdx.x;
  Pack<V> sum, product;
  for (int k = 0; k < V; ++k) sum.v[k] = product.v[k] = 0.f;
  if (p.active) {
    Channels<V> c = channels_of<V>(s, p, gamma, beta, mean, inverse);
    const Index from = p.outer * s.rows * s.channels + p.channel;
#pragma unroll 4
    for (; p.row < p.end; p.row += p.step) {
      const Pack<V> value = load<V>(x + from + p.row * s.channels);
      Pack<V> gradient = load<V>(dy + from + p.row * s.channels), normal;
      if (s.sets == 0)
        for (int k = 0; k < V; ++k) take_statistics<V>(c, k, mean, inverse, p.row);
      masked<V>(s, c, value, gradient, normal);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        sum.v[k] += gradient.v[k];
        product.v[k] += gradient.v[k] * normal.v[k];
      }
    }
  }
  for (int k = 0; k < V; ++k) {
    sums[0][k][t] = sum.v[k];
    sums[1][k][t] = product.v[k];
  }
  __syncthreads();
  for (int lanes = p.step; lanes > 1;) {
    const int half = (lanes + 1) / 2, other = t + half * p.width;
    if (p.active && p.lane < lanes - half)
      for (int k = 0; k < V; ++k) {
        sums[0][k][t] += sums[0][k][other];
        sums[1][k][t] += sums[1][k][other];
      }
    lanes = half;
    __syncthreads();
  }
  if (!p.active || p.lane > 0) return;
  for (int k = 0; k < V; ++k) {
    sum.v[k] = sums[0][k][t];
    product.v[k] = sums[1][k][t];
  }
  store<V>(partial + partial_at(s, p.outer, p.part, 0, p.channel), sum);
  store<V>(partial + partial_at(s, p.outer, p.part, 1, p.channel), product);
}

// One block per outer index and set, which leaves the two means that dx needs in `means`; then one per channel.
SEMISEG_ENTRY semiseg_norm_gradient_finish(SEMISEG_IN partial, SEMISEG_IN gamma, Norm s, SEMISEG_OUT means,
                                           SEMISEG_OUT dgamma, SEMISEG_OUT dbeta) {
  const Index block = blockIdx.x, sets = s.outer * s.sets;
  double sum = 0, product = 0;
  if (block < sets) {
    const int width = s.channels / s.sets, first = static_cast<int>(block % s.sets) * width;
    for (Index i = threadIdx.x; i < s.parts * width; i += kThreads) {
      const int c = first + static_cast<int>(i % width);
      const double weight = gamma[c];
      sum += weight * partial[partial_at(s, block / s.sets, i / width, 0, c)];
      product += weight * partial[partial_at(s, block / s.sets, i / width, 1, c)];
    }
    sum = block_sum(sum);
    product = block_sum(product);
    if (threadIdx.x > 0) return;
    means[2 * block] = static_cast<float>(sum / (s.rows * width));
    means[2 * block + 1] = static_cast<float>(product / (s.rows * width));
  } else {
    const int c = static_cast<int>(block - sets);
    for (Index i = threadIdx.x; i < s.outer * s.parts; i += kThreads) {
      sum += partial[partial_at(s, 0, i, 0, c)];
      product += partial[partial_at(s, 0, i, 1, c)];
    }
    sum = block_sum(sum);
    product = block_sum(product);
    if (threadIdx.x > 0) return;
    dbeta[c] = static_cast<float>(sum);
    dgamma[c] = static_cast<float>(product);
  }
}

template <int V>
__device__ inline void norm_gradient_apply(SEMISEG_IN dy, SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean,
                                           SEMISEG_IN inverse, SEMISEG_IN means, const Norm& s, SEMISEG_OUT dx) {
  Place p = place_of<V>(s);
  if (!p.active) return;
  const Channels<V> c = channels_of<V>(s, p, gamma, beta, mean, inverse);
  Pack<V> average, slope;
  for (int k = 0; k < V; ++k) {
    const Index set = p.outer * s.sets + (p.channel + k) / (s.channels / s.sets);
    average.v[k] = means[2 * set];
    slope.v[k] = means[2 * set + 1];
  }
  const Index from = p.outer * s.rows * s.channels + p.channel;
#pragma unroll 4
  for (; p.row < p.end; p.row += p.step) {
    const Pack<V> value = load<V>(x + from + p.row * s.channels);
    Pack<V> gradient = load<V>(dy + from + p.row * s.channels), normal;
    masked<V>(s, c, value, gradient, normal);
#pragma unroll
    for (int k = 0; k < V; ++k)
      gradient.v[k] = c.inverse.v[k] * (gradient.v[k] * c.gamma.v[k] - average.v[k] - normal.v[k] * slope.v[k]);
    store<V>(dx + from + p.row * s.channels, gradient);
  }
}

// Layer norm: `lanes` threads for each row. The row is read again from the cache for each of the three passes.
SEMISEG_ENTRY semiseg_norm_rows(SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, Norm s, int lanes, float epsilon,
                                SEMISEG_OUT y, SEMISEG_OUT mean, SEMISEG_OUT inverse) {
  const int lane = threadIdx.x % lanes;
  const Index row = static_cast<Index>(blockIdx.x) * (kThreads / lanes) + threadIdx.x / lanes;
  // Threads past the last row help with the sums, of nothing.
  const int channels = row < s.rows ? s.channels : 0;
  const float* from = x + row * s.channels;
  const float shift = channels > 0 ? from[0] : 0.f;
  float sum = 0;
  for (int c = lane; c < channels; c += lanes) sum += from[c] - shift;
  const float average = lane_sum(sum, lanes) / s.channels;
  float squares = 0;
  for (int c = lane; c < channels; c += lanes) squares += (from[c] - shift - average) * (from[c] - shift - average);
  const float own_mean = shift + average, own_inverse = 1.f / sqrtf(lane_sum(squares, lanes) / s.channels + epsilon);
  if (channels > 0 && lane == 0) {
    mean[row] = own_mean;
    inverse[row] = own_inverse;
  }
  for (int c = lane; c < channels; c += lanes) {
    const float v = normalised(from[c], own_mean, gamma[c] * own_inverse, beta[c]);
    y[row * s.channels + c] = s.relu && v < 0.f ? 0.f : v;
  }
}

SEMISEG_ENTRY semiseg_norm_rows_gradient(SEMISEG_IN dy, SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean,
                                         SEMISEG_IN inverse, Norm s, int lanes, SEMISEG_OUT dx) {
  const int lane = threadIdx.x % lanes;
  const Index row = static_cast<Index>(blockIdx.x) * (kThreads / lanes) + threadIdx.x / lanes, from = row * s.channels;
  const int channels = row < s.rows ? s.channels : 0;
  Channels<1> own;
  own.mean.v[0] = own.inverse.v[0] = 0.f;
  const auto at = [&](int c, Pack<1>& gradient, Pack<1>& normal) {
    own.gamma.v[0] = gamma[c];
    own.beta.v[0] = beta[c];
    take_statistics<1>(own, 0, mean, inverse, row);
    gradient.v[0] = dy[from + c];
    masked<1>(s, own, load<1>(x + from + c), gradient, normal);
  };
  float sum = 0, product = 0;
  Pack<1> gradient, normal;
  for (int c = lane; c < channels; c += lanes) {
    at(c, gradient, normal);
    sum += gradient.v[0] * own.gamma.v[0];
    product += gradient.v[0] * own.gamma.v[0] * normal.v[0];
  }
  const float average = lane_sum(sum, lanes) / s.channels, slope = lane_sum(product, lanes) / s.channels;
  for (int c = lane; c < channels; c += lanes) {
    at(c, gradient, normal);
    dx[from + c] = own.inverse.v[0] * (gradient.v[0] * own.gamma.v[0] - average - normal.v[0] * slope);
  }
}

// ---- Elementwise ----

// f(index) for the packs of `count` floats, a multiple of V.
template <int V, typename F>
__device__ inline void for_packs(Index count, const F& f) {
  const Index step = static_cast<Index>(gridDim.x) * kThreads * V;
#pragma unroll 4
  for (Index i = (static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x) * V; i < count; i += step) f(i);
}

template <int V>
__device__ inline void relu_gradient(SEMISEG_IN dy, SEMISEG_IN y, Index count, float slope, SEMISEG_OUT dx) {
  for_packs<V>(count, [&](Index i) {
    const Pack<V> value = load<V>(y + i);
    Pack<V> gradient = load<V>(dy + i);
    // Without a slope 0, not 0 * dy: an infinite gradient must not become NaN.
    for (int k = 0; k < V; ++k)
      gradient.v[k] = value.v[k] > 0.f ? gradient.v[k] : slope == 0.f ? 0.f : slope * gradient.v[k];
    store<V>(dx + i, gradient);
  });
}

constexpr float kRootHalf = 0.70710678f, kNormalDensity = 0.39894228f;

template <int V>
__device__ inline void gelu(SEMISEG_IN x, Index count, SEMISEG_OUT y) {
  for_packs<V>(count, [&](Index i) {
    Pack<V> value = load<V>(x + i);
    for (int k = 0; k < V; ++k) value.v[k] = 0.5f * value.v[k] * (1.f + erff(value.v[k] * kRootHalf));
    store<V>(y + i, value);
  });
}

template <int V>
__device__ inline void gelu_gradient(SEMISEG_IN dy, SEMISEG_IN x, Index count, SEMISEG_OUT dx) {
  for_packs<V>(count, [&](Index i) {
    const Pack<V> value = load<V>(x + i);
    Pack<V> gradient = load<V>(dy + i);
    for (int k = 0; k < V; ++k) {
      const float v = value.v[k];
      gradient.v[k] *= 0.5f * (1.f + erff(v * kRootHalf)) + v * kNormalDensity * expf(-0.5f * v * v);
    }
    store<V>(dx + i, gradient);
  });
}

// ---- Updates ----

// f(array, index) for the block's chunk of its array.
template <typename F>
__device__ inline void for_chunk(const Updates& u, const F& f) {
  const int block = blockIdx.x;
  int i = 0;
  while (block >= u.first[i + 1]) ++i;
  const Index begin = static_cast<Index>(block - u.first[i]) * kUpdateChunk, rest = u.size[i] - begin;
  const int count = rest < kUpdateChunk ? static_cast<int>(rest) : kUpdateChunk;
#pragma unroll 4
  for (int k = threadIdx.x; k < count; k += kThreads) f(i, begin + k);
}

// Numbers: rate, momentum, decay.
SEMISEG_ENTRY semiseg_sgd(Updates u, SEMISEG_IN numbers, int nesterov) {
  const float rate = numbers[0], momentum = numbers[1], decay = numbers[2];
  for_chunk(u, [&](int i, Index k) {
    const float w = u.in[0][i][k], g = u.in[1][i][k] + decay * w, v = momentum * u.in[2][i][k] + g;
    u.out[0][i][k] = w - rate * (nesterov ? g + momentum * v : v);
    u.out[1][i][k] = v;
  });
}

// Numbers: rate, beta1, beta2, epsilon, decay, correction1, correction2.
SEMISEG_ENTRY semiseg_adamw(Updates u, SEMISEG_IN numbers) {
  const float rate = numbers[0], beta1 = numbers[1], beta2 = numbers[2], epsilon = numbers[3], decay = numbers[4];
  const float c1 = 1.f / numbers[5], c2 = 1.f / numbers[6];
  for_chunk(u, [&](int i, Index k) {
    const float w = u.in[0][i][k], g = u.in[1][i][k];
    const float m = beta1 * u.in[2][i][k] + (1.f - beta1) * g;
    const float v = beta2 * u.in[3][i][k] + (1.f - beta2) * g * g;
    u.out[0][i][k] = w * (1.f - rate * decay) - rate * (m * c1) / (sqrtf(v * c2) + epsilon);
    u.out[1][i][k] = m;
    u.out[2][i][k] = v;
  });
}

// Numbers: decay.
SEMISEG_ENTRY semiseg_ema(Updates u, SEMISEG_IN numbers) {
  const float decay = numbers[0];
  for_chunk(u, [&](int i, Index k) { u.out[0][i][k] = decay * u.in[0][i][k] + (1.f - decay) * u.in[1][i][k]; });
}

// ---- Losses ----

// Numbers per class are in registers where their loops are unrolled; with more classes than that they are in memory.
template <int M>
constexpr int kUnrolled = M <= 16 ? M : 1;

// Softmax of one voxel's logits, of which there are at most M; returns ln(sum exp(z)).
template <int M>
__device__ inline float softmax(SEMISEG_IN z, int channels, float* p) {
  float most = z[0];
#pragma unroll kUnrolled<M>
  for (int c = 0; c < M; ++c)
    if (c < channels) {
      p[c] = z[c];
      most = p[c] > most ? p[c] : most;
    }
  float total = 0;
#pragma unroll kUnrolled<M>
  for (int c = 0; c < M; ++c)
    if (c < channels) {
      p[c] = expf(p[c] - most);
      total += p[c];
    }
  const float share = 1.f / total;
#pragma unroll kUnrolled<M>
  for (int c = 0; c < M; ++c)
    if (c < channels) p[c] *= share;
  return most + logf(total);
}

// Sums of a part of the voxels: cross-entropy, then per class p*y, p*p, p, y; `partial` is [parts, 1 + 4 channels]. A label
// outside the classes makes the cross-entropy NaN: a device cannot refuse it without a wait for the host.
template <int M>
__device__ inline void segmentation_sums(SEMISEG_IN logits, const int* __restrict__ labels, Index voxels, int channels,
                                         Index parts, SEMISEG_OUT partial) {
  __shared__ float shared[kThreads];
  const int t = threadIdx.x;
  const Index part = blockIdx.x, end = voxels * (part + 1) / parts;
  float cross_entropy = 0, sums[4][M];
#pragma unroll kUnrolled<M>
  for (int c = 0; c < M; ++c) sums[0][c] = sums[1][c] = sums[2][c] = sums[3][c] = 0.f;
  for (Index v = voxels * part / parts + t; v < end; v += kThreads) {
    const float* z = logits + v * channels;
    const int label = labels[v];
    float p[M];
    const float log_total = softmax<M>(z, channels, p);
    cross_entropy += label >= 0 && label < channels ? log_total - z[label] : __int_as_float(0x7fc00000);
#pragma unroll kUnrolled<M>
    for (int c = 0; c < M; ++c)
      if (c < channels) {
        const float hit = label == c ? 1.f : 0.f;
        sums[0][c] += hit * p[c];
        sums[1][c] += p[c] * p[c];
        sums[2][c] += p[c];
        sums[3][c] += hit;
      }
  }
  const auto write = [&](float value, int at) {
    shared[t] = value;
    __syncthreads();
#pragma unroll 1
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (t < half) shared[t] += shared[t + half];
      __syncthreads();
    }
    // The next sum may go over the numbers at once: the first thread, which reads here, writes there itself.
    if (t == 0) partial[part * (1 + 4 * channels) + at] = shared[0];
  };
  write(cross_entropy, 0);
#pragma unroll kUnrolled<M>
  for (int c = 0; c < M; ++c)
    if (c < channels)
#pragma unroll
      for (int k = 0; k < 4; ++k) write(sums[k][c], 1 + 4 * c + k);
}

// One block per sum.
SEMISEG_ENTRY semiseg_segmentation_finish(SEMISEG_IN partial, Index parts, int channels, SegmentationResults results) {
  const int at = blockIdx.x;
  double sum = 0;
  for (Index part = threadIdx.x; part < parts; part += kThreads) sum += partial[part * (1 + 4 * channels) + at];
  const float total = static_cast<float>(block_sum(sum));
  if (threadIdx.x > 0) return;
  if (at == 0) {
    *results.cross_entropy = total;
    return;
  }
  float* const rows[4] = {results.intersection, results.squares, results.sums, results.counts};
  rows[(at - 1) % 4][(at - 1) / 4] = total;
}

template <int M>
__device__ inline void segmentation_gradient(SEMISEG_IN logits, const int* __restrict__ labels, Index voxels, int channels,
                                             const SegmentationSlopes& slopes, SEMISEG_OUT d_logits) {
  const Index step = static_cast<Index>(gridDim.x) * kThreads;
  const float d_cross_entropy = *slopes.cross_entropy;
  for (Index v = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; v < voxels; v += step) {
    const int label = labels[v];
    float p[M], mean = 0;
    softmax<M>(logits + v * channels, channels, p);
    const auto slope = [&](int c) {
      return (label == c ? slopes.intersection[c] : 0.f) + 2.f * slopes.squares[c] * p[c] + slopes.sums[c];
    };
#pragma unroll kUnrolled<M>
    for (int c = 0; c < M; ++c)
      if (c < channels) mean += slope(c) * p[c];
    const bool known = label >= 0 && label < channels;
#pragma unroll kUnrolled<M>
    for (int c = 0; c < M; ++c)
      if (c < channels) {
        const float d = d_cross_entropy * (p[c] - (label == c ? 1.f : 0.f)) + p[c] * (slope(c) - mean);
        d_logits[v * channels + c] = known ? d : __int_as_float(0x7fc00000);
      }
  }
}

// ---- Entry points of the templates ----

#define SEMISEG_DEFINE(V)                                                                                              \
  SEMISEG_ENTRY semiseg_norm_statistics_##V(SEMISEG_IN x, Norm s, SEMISEG_OUT partial) {                              \
    norm_statistics<V>(x, s, partial);                                                                                 \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_norm_apply_##V(SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta, SEMISEG_IN mean,              \
                                        SEMISEG_IN inverse, Norm s, SEMISEG_OUT y) {                                   \
    norm_apply<V>(x, gamma, beta, mean, inverse, s, y);                                                                \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_norm_gradient_sums_##V(SEMISEG_IN dy, SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta,        \
                                                SEMISEG_IN mean, SEMISEG_IN inverse, Norm s, SEMISEG_OUT partial) {    \
    norm_gradient_sums<V>(dy, x, gamma, beta, mean, inverse, s, partial);                                              \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_norm_gradient_apply_##V(SEMISEG_IN dy, SEMISEG_IN x, SEMISEG_IN gamma, SEMISEG_IN beta,       \
                                                 SEMISEG_IN mean, SEMISEG_IN inverse, SEMISEG_IN means, Norm s,        \
                                                 SEMISEG_OUT dx) {                                                     \
    norm_gradient_apply<V>(dy, x, gamma, beta, mean, inverse, means, s, dx);                                           \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_relu_gradient_##V(SEMISEG_IN dy, SEMISEG_IN y, Index count, float slope, SEMISEG_OUT dx) {    \
    relu_gradient<V>(dy, y, count, slope, dx);                                                                         \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_gelu_##V(SEMISEG_IN x, Index count, SEMISEG_OUT y) { gelu<V>(x, count, y); }                  \
  SEMISEG_ENTRY semiseg_gelu_gradient_##V(SEMISEG_IN dy, SEMISEG_IN x, Index count, SEMISEG_OUT dx) {                 \
    gelu_gradient<V>(dy, x, count, dx);                                                                                \
  }
SEMISEG_FOR_PACKS(SEMISEG_DEFINE)
#undef SEMISEG_DEFINE

#define SEMISEG_DEFINE(M)                                                                                              \
  SEMISEG_ENTRY semiseg_segmentation_sums_##M(SEMISEG_IN logits, const int* __restrict__ labels, Index voxels,        \
                                               int channels, Index parts, SEMISEG_OUT partial) {                       \
    segmentation_sums<M>(logits, labels, voxels, channels, parts, partial);                                            \
  }                                                                                                                    \
  SEMISEG_ENTRY semiseg_segmentation_gradient_##M(SEMISEG_IN logits, const int* __restrict__ labels, Index voxels,    \
                                                   int channels, SegmentationSlopes slopes, SEMISEG_OUT d_logits) {    \
    segmentation_gradient<M>(logits, labels, voxels, channels, slopes, d_logits);                                      \
  }
SEMISEG_FOR_CLASSES(SEMISEG_DEFINE)
#undef SEMISEG_DEFINE

}  // namespace semiseg_cuda
