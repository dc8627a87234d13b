// Separable resizing of the spatial axes and its adjoint in one pass over memory: the outer axes blend whole lines into a
// buffer that stays in cache, the innermost axis is taken from there. Compiled once per instruction set.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"
#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// A sparse matrix [outputs, inputs] of one axis, row by row: what each output takes from which inputs.
struct Taps {
  std::vector<int64_t> first{0}, index;
  std::vector<float> weight;
  void add(int64_t input, double w) {
    if (w == 0) return;
    index.push_back(input);
    weight.push_back(static_cast<float>(w));
  }
  void end_row() { first.push_back(static_cast<int64_t>(index.size())); }
};

Taps linear_taps(int64_t out, int64_t in, bool align_corners) {
  Taps t;
  const double ratio = align_corners ? (out > 1 ? (in - 1.0) / (out - 1.0) : 0.0) : static_cast<double>(in) / out;
  for (int64_t i = 0; i < out; ++i, t.end_row()) {
    const double position = align_corners ? i * ratio : std::max(0.0, (i + 0.5) * ratio - 0.5);
    const int64_t low = std::min(static_cast<int64_t>(std::floor(position)), in - 1);
    const double share = low + 1 < in ? position - low : 0.0;
    t.add(low, 1 - share);
    if (share != 0) t.add(low + 1, share);
  }
  return t;
}

// Means over `out` equal cells of the axis, voxels on a border shared.
Taps area_taps(int64_t out, int64_t in) {
  Taps t;
  const double width = static_cast<double>(in) / out;
  for (int64_t i = 0; i < out; ++i, t.end_row()) {
    const double begin = i * width, end = (i + 1) * width;
    for (int64_t k = static_cast<int64_t>(std::floor(begin)); k < std::min<double>(in, std::ceil(end)); ++k)
      t.add(k, (std::min<double>(end, k + 1) - std::max<double>(begin, k)) / width);
  }
  return t;
}

Taps transposed(const Taps& t, int64_t inputs) {
  std::vector<Taps> rows(inputs);
  const int64_t outputs = static_cast<int64_t>(t.first.size()) - 1;
  for (int64_t i = 0; i < outputs; ++i)
    for (int64_t k = t.first[i]; k < t.first[i + 1]; ++k) rows[t.index[k]].add(i, t.weight[k]);
  Taps out;
  for (const Taps& row : rows) {
    out.index.insert(out.index.end(), row.index.begin(), row.index.end());
    out.weight.insert(out.weight.end(), row.weight.begin(), row.weight.end());
    out.end_row();
  }
  return out;
}

// out (+)= sum of `terms` weighted sources.
template <int terms>
void blend(const float* const* from, const float* weight, bool more, int64_t length, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    Vec sum = more ? load(out + i) : zero();
    for (int k = 0; k < terms; ++k) sum += splat(weight[k]) * load(from[k] + i);
    store(out + i, sum);
  }
  for (; i < length; ++i) {
    float sum = more ? out[i] : 0.f;
    for (int k = 0; k < terms; ++k) sum += weight[k] * from[k][i];
    out[i] = sum;
  }
}

void blended(const float* const* from, const float* weight, int64_t count, int64_t length, float* out) {
  bool more = false;
  for (; count >= 4; count -= 4, from += 4, weight += 4, more = true) blend<4>(from, weight, more, length, out);
  if (count == 3) blend<3>(from, weight, more, length, out);
  else if (count == 2) blend<2>(from, weight, more, length, out);
  else if (count == 1) blend<1>(from, weight, more, length, out);
  else if (!more) std::fill(out, out + length, 0.f);
}

// One line [inputs, channels] to [outputs, channels]; `fixed` channels where that is not 0.
template <int fixed>
void along_line(const Taps& t, int64_t outputs, int64_t channels, const float* line, float* out) {
  const int64_t width = fixed ? fixed : channels;
  std::vector<const float*> source;
  for (int64_t i = 0; i < outputs; ++i) {
    const int64_t begin = t.first[i], end = t.first[i + 1];
    float* to = out + i * width;
    if (fixed) {
      float sum[fixed ? fixed : 1] = {};
      for (int64_t k = begin; k < end; ++k)
        for (int c = 0; c < fixed; ++c) sum[c] += t.weight[k] * line[t.index[k] * fixed + c];
      for (int c = 0; c < fixed; ++c) to[c] = sum[c];
    } else {
      source.clear();
      for (int64_t k = begin; k < end; ++k) source.push_back(line + t.index[k] * width);
      blended(source.data(), t.weight.data() + begin, end - begin, width, to);
    }
  }
}

void along_line(const Taps& t, int64_t outputs, int64_t channels, const float* line, float* out) {
  switch (channels) {
    case 1: return along_line<1>(t, outputs, channels, line, out);
    case 2: return along_line<2>(t, outputs, channels, line, out);
    case 3: return along_line<3>(t, outputs, channels, line, out);
    case 4: return along_line<4>(t, outputs, channels, line, out);
    case 8: return along_line<8>(t, outputs, channels, line, out);
    default: return along_line<0>(t, outputs, channels, line, out);
  }
}

// x [n, from..., channels] to y [n, to..., channels].
void mapped(int64_t n, const int64_t* from, const int64_t* to, int64_t channels, const Taps* taps, const float* x,
            float* y, const Parallel& parallel) {
  const int64_t line = from[2] * channels, out_line = to[2] * channels;
  const int64_t reads = static_cast<int64_t>(taps[0].index.size() / to[0] + 1) * (taps[1].index.size() / to[1] + 1);
  const bool same = from[2] == to[2];
  parallel(n * to[0] * to[1], (reads * line + 2 * out_line) / 8 + 64, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(line), weight;
    std::vector<const float*> source;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t h = item % to[1], d = item / to[1] % to[0], sample = item / to[1] / to[0];
      source.clear();
      weight.clear();
      for (int64_t i = taps[0].first[d]; i < taps[0].first[d + 1]; ++i)
        for (int64_t k = taps[1].first[h]; k < taps[1].first[h + 1]; ++k) {
          source.push_back(x + ((sample * from[0] + taps[0].index[i]) * from[1] + taps[1].index[k]) * line);
          weight.push_back(taps[0].weight[i] * taps[1].weight[k]);
        }
      float* out = y + item * out_line;
      const int64_t count = static_cast<int64_t>(source.size());
      if (same) {
        blended(source.data(), weight.data(), count, line, out);
      } else if (count == 1 && weight[0] == 1.f) {
        along_line(taps[2], to[2], channels, source[0], out);
      } else {
        blended(source.data(), weight.data(), count, line, buffer.data());
        along_line(taps[2], to[2], channels, buffer.data(), out);
      }
    }
  });
}

Taps taps_of(const ResizeShape& s, int axis) {
  const int64_t out = s.to[axis], in = s.from[axis];
  // An axis that keeps its size is left as it is under all three rules.
  return s.rule == kArea ? area_taps(out, in) : linear_taps(out, in, s.rule == kAlignedLinear);
}

void resize(const ResizeShape& s, const float* x, float* y, const Parallel& parallel) {
  const Taps taps[3] = {taps_of(s, 0), taps_of(s, 1), taps_of(s, 2)};
  mapped(s.n, s.from, s.to, s.channels, taps, x, y, parallel);
}

void resize_gradient(const ResizeShape& s, const float* dy, float* dx, const Parallel& parallel) {
  const Taps taps[3] = {transposed(taps_of(s, 0), s.from[0]), transposed(taps_of(s, 1), s.from[1]),
                        transposed(taps_of(s, 2), s.from[2])};
  mapped(s.n, s.to, s.from, s.channels, taps, dy, dx, parallel);
}

}  // namespace

void fill_resize(Kernels* k) {
  k->resize = resize;
  k->resize_gradient = resize_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
