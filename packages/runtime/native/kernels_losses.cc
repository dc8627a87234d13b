// Softmax, and losses in one pass over the voxels. Compiled once per instruction set.
#include "kernels.h"
#include "rows.h"
#include "vector_math.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

constexpr int64_t kVoxels = 256;
constexpr int64_t kMaxClasses = 64;

// add(item, lane) for all items: whole vectors of them, what is left in lane 0.
template <typename Add>
SEMISEG_INLINE void by_lanes(int64_t count, const Add& add) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int k = 0; k < kLanes; ++k) add(i + k, k);
  for (; i < count; ++i) add(i, 0);
}

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
    row_sums_of(e, 0, 1, channels, &sum);
    for (c = 0; c < channels; ++c) e[c] /= sum;
  }
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
    by_lanes(channels, add);
    float entropy = 0, shares = 0;
    for (int k = 0; k < kLanes; ++k) {
      entropy += weighted[k];
      shares += share[k];
    }
    loss[r] = entropy;
    for (int64_t c = 0; c < channels; ++c) {
      const float own = a[c];
      a[c] = own * (entropy - logs[c]);
      v[c] *= shares - own / (v[c] + 1e-8f);
    }
  }
}

SEMISEG_INLINE double joined(const float* lanes) {
  double sum = 0;
  for (int k = 0; k < kLanes; ++k) sum += lanes[k];
  return sum;
}

void segmentation_sums(const float* logits, const int32_t* labels, int64_t begin, int64_t end, int64_t channels,
                       double* sums) {
  float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels];
  for (int64_t v = begin; v < end; v += kVoxels) {
    const int64_t count = std::min(kVoxels, end - v);
    const float* z = logits + v * channels;
    const int32_t* y = labels + v;
    softmax_block(z, count, channels, p, maximum, total);
    float own_logit[kVoxels], lanes[4][kLanes] = {};
    for (int64_t i = 0; i < count; ++i) own_logit[i] = maximum[i] - z[i * channels + y[i]];
    for (int64_t i = 0; i < count; ++i) own_logit[i] += log_positive(total[i]);
    for (int64_t i = 0; i < count; ++i) lanes[0][i % kLanes] += own_logit[i];
    sums[0] += joined(lanes[0]);
    for (int64_t c = 0; c < channels; ++c) {
      std::fill(lanes[0], lanes[0] + 4 * kLanes, 0.f);
      float hits[kVoxels];
      for (int64_t i = 0; i < count; ++i) hits[i] = y[i] == c ? 1.f : 0.f;
      const auto add = [&](int64_t i, int k) {
        lanes[0][k] += p[c][i] * hits[i];
        lanes[1][k] += p[c][i] * p[c][i];
        lanes[2][k] += p[c][i];
        lanes[3][k] += hits[i];
      };
      by_lanes(count, add);
      double* own = sums + 1 + 4 * c;
      for (int k = 0; k < 4; ++k) own[k] += joined(lanes[k]);
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

void target_sums(const float* logits, const float* target, const float* mask, int64_t begin, int64_t end, int64_t channels,
                 double* sums) {
  float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels];
  for (int64_t v = begin; v < end; v += kVoxels) {
    const int64_t count = std::min(kVoxels, end - v);
    const float *z = logits + v * channels, *t = target + v * channels, *m = mask ? mask + v : nullptr;
    softmax_block(z, count, channels, p, maximum, total);
    for (int64_t i = 0; i < count; ++i) total[i] = log_positive(total[i]) + maximum[i];
    float lanes[5][kLanes] = {};
    for (int64_t i = 0; i < count; ++i) lanes[0][i % kLanes] += m ? m[i] : 1.f;
    for (int64_t c = 0; c < channels; ++c) {
      std::fill(lanes[2], lanes[2] + 3 * kLanes, 0.f);
      const auto add = [&](int64_t i, int k) {
        const float weight = m ? m[i] : 1.f, own = weight * t[i * channels + c], log_p = z[i * channels + c] - total[i];
        // The floor of the composed form: p >= 1e-37.
        lanes[1][k] += own * (log_p < -85.1956f ? -85.1956f : log_p);
        lanes[2][k] += own * p[c][i];
        lanes[3][k] += weight * p[c][i];
        lanes[4][k] += own;
      };
      by_lanes(count, add);
      for (int k = 0; k < 3; ++k) sums[2 + 3 * c + k] += joined(lanes[2 + k]);
    }
    sums[0] += joined(lanes[0]);
    sums[1] += joined(lanes[1]);
  }
}

void target_gradient(const float* logits, const float* target, const float* mask, int64_t begin, int64_t end,
                     int64_t channels, const float* a, const float* b, float share, float* d_logits) {
  float p[kMaxClasses][kVoxels], maximum[kVoxels], total[kVoxels], mean[kVoxels];
  for (int64_t v = begin; v < end; v += kVoxels) {
    const int64_t count = std::min(kVoxels, end - v);
    const float *t = target + v * channels, *m = mask ? mask + v : nullptr;
    softmax_block(logits + v * channels, count, channels, p, maximum, total);
    for (int64_t i = 0; i < count; ++i) mean[i] = 0.f;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < count; ++i) mean[i] += p[c][i] * (t[i * channels + c] * a[c] + b[c]);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < count; ++i) {
        const float own = t[i * channels + c];
        const float slope = p[c][i] * (own * a[c] + b[c] + share - mean[i]) - own * share;
        d_logits[(v + i) * channels + c] = m ? m[i] * slope : slope;
      }
  }
}

}  // namespace

void fill_losses(Kernels* k) {
  k->softmax = softmax;
  k->correlation_rows = correlation_rows;
  k->segmentation_sums = segmentation_sums;
  k->segmentation_gradient = segmentation_gradient;
  k->target_sums = target_sums;
  k->target_gradient = target_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
