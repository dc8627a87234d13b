// Direct 3-D convolutions on [N, D, H, W, C]: no im2col, no third-party library. The inner tile multiplies a few output
// positions of a row by one or two vectors of output channels; zero padding is a copy of the planes in use, kept in
// cache. Compiled once per instruction set.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "tile.h"
#include "winograd.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// Packed weights: [blocks][kd * kh][kw * inputs][block], zeros beyond the last channel.
struct Packed {
  Buffer data;
  int64_t block, blocks, rows, taps;
  const float* at(int64_t b, int64_t row) const { return data.get() + (b * rows + row) * taps * block; }
};

Packed packed(int64_t outputs, int64_t rows, int64_t taps) {
  Packed p;
  p.block = outputs > kLanes ? 2 * kLanes : kLanes;
  p.blocks = (outputs + p.block - 1) / p.block;
  p.rows = rows;
  p.taps = taps;
  p.data = allocate(p.blocks * rows * taps * p.block);
  return p;
}

// filter [T, ci, co] as it is: for the forward pass.
Packed pack_forward(const ConvShape& s, const float* filter, const Parallel& parallel) {
  const int64_t taps = s.kw * s.ci, rows = s.kd * s.kh;
  Packed p = packed(s.co, rows, taps);
  float* out = p.data.get();
  parallel(p.blocks, rows * taps * p.block, [&, out](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t count = std::min(p.block, s.co - b * p.block);
      for (int64_t t = 0; t < rows * taps; ++t) {
        float* to = out + (b * rows * taps + t) * p.block;
        std::memcpy(to, filter + t * s.co + b * p.block, count * sizeof(float));
        std::fill(to + count, to + p.block, 0.f);
      }
    }
  });
  return p;
}

// Mirrored and transposed: the input gradient of stride 1 is a convolution of dy with it.
Packed pack_mirrored(const ConvShape& s, const float* filter, const Parallel& parallel) {
  const int64_t rows = s.kd * s.kh, taps = s.kw * s.co, all = rows * s.kw;
  Packed p = packed(s.ci, rows, taps);
  float* out = p.data.get();
  parallel(p.blocks * all, s.co * p.block * 2, [&, out](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / all, t = item % all;
      const int64_t count = std::min(p.block, s.ci - b * p.block);
      const float* from = filter + ((all - 1 - t) * s.ci + b * p.block) * s.co;
      float* to = out + (b * all + t) * s.co * p.block;
      if (count < p.block) std::fill(to, to + s.co * p.block, 0.f);
      for (int64_t c0 = 0; c0 < s.co; c0 += 16)
        for (int64_t i = 0; i < count; ++i)
          for (int64_t c = c0; c < std::min(c0 + 16, s.co); ++c) to[c * p.block + i] = from[i * s.co + c];
    }
  });
  return p;
}

// One zero-padded plane of x at depth `depth` (which exists).
void copy_plane(const ConvShape& s, const float* x, int64_t n, int64_t depth, int64_t height, int64_t width, float* out) {
  const int64_t row = width * s.ci;
  const float* from = x + (n * s.d + depth) * s.h * s.w * s.ci;
  for (int64_t h = 0; h < height; ++h) {
    float* to = out + h * row;
    const int64_t y = h - s.ph;
    if (y < 0 || y >= s.h) {
      std::memset(to, 0, row * sizeof(float));
      continue;
    }
    const int64_t inside = std::min(s.w, width - s.pw) * s.ci;
    std::fill(to, to + s.pw * s.ci, 0.f);
    std::memcpy(to + s.pw * s.ci, from + y * s.w * s.ci, inside * sizeof(float));
    std::fill(to + s.pw * s.ci + inside, to + row, 0.f);
  }
}

// The padded planes that a depth of the output needs, copied when first asked for and kept in a ring.
class Planes {
 public:
  Planes(const ConvShape& s, const float* x)
      : s_(s), x_(x),
        height_(std::max(s.h + s.ph, (s.oh - 1) * s.stride + s.kh)),
        width_(std::max(s.w + s.pw, (s.ow - 1) * s.stride + s.kw)),
        direct_(s.ph == 0 && s.pw == 0 && height_ == s.h && width_ == s.w),
        keys_(s.kd, -1) {
    if (!direct_) ring_ = allocate(s.kd * height_ * width_ * s.ci);
  }
  int64_t row() const { return width_ * s_.ci; }
  // planes[k]: input plane of filter depth k, or null outside the volume.
  void at(int64_t n, int64_t od, const float** planes) {
    for (int64_t k = 0; k < s_.kd; ++k) {
      const int64_t depth = od * s_.stride + k - s_.pd;
      if (depth < 0 || depth >= s_.d) {
        planes[k] = nullptr;
      } else if (direct_) {
        planes[k] = x_ + (n * s_.d + depth) * s_.h * s_.w * s_.ci;
      } else {
        const int64_t slot = depth % s_.kd, key = n * s_.d + depth;
        float* plane = ring_.get() + slot * height_ * row();
        if (keys_[slot] != key) {
          copy_plane(s_, x_, n, depth, height_, width_, plane);
          keys_[slot] = key;
        }
        planes[k] = plane;
      }
    }
  }

 private:
  const ConvShape& s_;
  const float* x_;
  const int64_t height_, width_;
  const bool direct_;
  Buffer ring_;
  std::vector<int64_t> keys_;
};

// One output depth, one block of channels.
template <int Vectors>
void plane_block(const ConvShape& s, const float* const* planes, int64_t row, const Packed& p, int64_t block, float* y) {
  const float* inputs[kMaxRows];
  const float* weights[kMaxRows];
  TileArguments a;
  a.inputs = inputs;
  a.weights = weights;
  a.taps = p.taps;
  a.block = p.block;
  a.step = s.stride * s.ci;
  a.row_step = s.stride * row;
  a.out_step = s.co;
  a.out_row_step = s.ow * s.co;
  const int64_t first = block * p.block;
  a.lanes_last = static_cast<int>(std::min<int64_t>(kLanes, s.co - first - (Vectors - 1) * kLanes));
  const bool narrow = s.ow <= 4 && s.ow >= 2;
  for (int64_t h = 0; h < s.oh;) {
    const int rows = narrow && h + 1 < s.oh ? 2 : 1;
    for (int64_t w = 0; w < s.ow;) {
      const int width = tile_width<Vectors>(s.ow - w);
      a.filter_rows = 0;
      for (int64_t kd = 0; kd < s.kd; ++kd) {
        if (!planes[kd]) continue;
        for (int64_t kh = 0; kh < s.kh; ++kh) {
          const int64_t top = h * s.stride + kh - s.ph;
          if (top + (rows - 1) * s.stride < 0 || top >= s.h) continue;  // nothing but padding
          inputs[a.filter_rows] = planes[kd] + (h * s.stride + kh) * row + w * s.stride * s.ci;
          weights[a.filter_rows++] = p.at(block, kd * s.kh + kh);
        }
      }
      a.out = y + (h * s.ow + w) * s.co + first;
      pick<Vectors>(rows, width, a.step)(a);
      w += width;
    }
    h += rows;
  }
}

void any_block(const ConvShape& s, const float* const* planes, int64_t row, const Packed& p, int64_t block, float* y) {
  // The last block of many channels may hold a single vector's worth.
  const int64_t left = s.co - block * p.block;
  if (p.block == 2 * kLanes && left > kLanes) plane_block<2>(s, planes, row, p, block, y);
  else plane_block<1>(s, planes, row, p, block, y);
}

void convolve(const ConvShape& s, const float* x, const Packed& p, float* y, const Parallel& parallel) {
  const int64_t plane = s.oh * s.ow * s.co;
  const int64_t cost = s.oh * s.ow * p.taps * p.rows * s.co / kLanes;
  const int64_t volume = s.d * s.h * s.w * s.ci;
  if (volume * 4 <= (1 << 19) && p.blocks > 1) {
    // Small maps with many channels: a block of weights stays in cache over all depths of a sample.
    parallel(s.n * p.blocks, cost * s.od / p.blocks + 1, [&](int64_t begin, int64_t end) {
      Planes planes(s, x);
      const float* at[kMaxRows];
      for (int64_t item = begin; item < end; ++item) {
        const int64_t n = item / p.blocks, block = item % p.blocks;
        for (int64_t d = 0; d < s.od; ++d) {
          planes.at(n, d, at);
          any_block(s, at, planes.row(), p, block, y + (n * s.od + d) * plane);
        }
      }
    });
    return;
  }
  parallel(s.n * s.od, cost + 1, [&](int64_t begin, int64_t end) {
    Planes planes(s, x);
    const float* at[kMaxRows];
    for (int64_t item = begin; item < end; ++item) {
      planes.at(item / s.od, item % s.od, at);
      for (int64_t block = 0; block < p.blocks; ++block)
        any_block(s, at, planes.row(), p, block, y + item * plane);
    }
  });
}

// A 1x1x1 convolution is one long row.
ConvShape flattened(const ConvShape& s) {
  const int64_t voxels = s.n * s.d * s.h * s.w;
  // Pieces of a few thousand positions, so that threads can share them.
  const int64_t pieces = std::max<int64_t>(1, std::min<int64_t>(64, voxels / 2048));
  ConvShape f = s;
  f.n = 1;
  if (voxels % pieces == 0) {
    f.d = f.od = pieces;
    f.w = f.ow = voxels / pieces;
  } else {
    f.d = f.od = s.n * s.d;
    f.w = f.ow = s.h * s.w;
  }
  f.h = f.oh = 1;
  return f;
}

void conv_forward(const ConvShape& s, const float* x, const float* filter, float* y, const Parallel& parallel) {
  if (winograd_covers(s, 16)) return winograd_forward(s, x, filter, y, parallel);
  const Packed p = pack_forward(s, filter, parallel);
  const bool pointwise = s.kd * s.kh * s.kw == 1 && s.stride == 1 && s.pd + s.ph + s.pw == 0;
  convolve(pointwise ? flattened(s) : s, x, p, y, parallel);
}

// Kernel = stride, no padding: every input voxel is seen by one output voxel, so each filter tap is a matrix product
// written to every stride-th position.
void scatter_gradient(const ConvShape& s, const float* dy, const float* filter, float* dx, const Parallel& parallel) {
  const int64_t taps = s.kd * s.kh * s.kw;
  Packed p = packed(s.ci, taps, s.co);
  float* weights_data = p.data.get();
  parallel(p.blocks * taps, s.co * p.block * 2, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / taps, t = item % taps;
      const int64_t count = std::min(p.block, s.ci - b * p.block);
      const float* from = filter + (t * s.ci + b * p.block) * s.co;
      float* to = weights_data + (b * taps + t) * s.co * p.block;
      if (count < p.block) std::fill(to, to + s.co * p.block, 0.f);
      for (int64_t c0 = 0; c0 < s.co; c0 += 16)
        for (int64_t i = 0; i < count; ++i)
          for (int64_t c = c0; c < std::min(c0 + 16, s.co); ++c) to[c * p.block + i] = from[i * s.co + c];
    }
  });
  const bool covered = s.od * s.kd == s.d && s.oh * s.kh == s.h && s.ow * s.kw == s.w;
  if (!covered) std::memset(dx, 0, sizeof(float) * s.n * s.d * s.h * s.w * s.ci);
  parallel(s.n * s.od, s.oh * s.ow * taps * s.ci * s.co / kLanes + 1, [&](int64_t begin, int64_t end) {
    const float* inputs[1];
    const float* weights[1];
    TileArguments a;
    a.inputs = inputs;
    a.weights = weights;
    a.filter_rows = 1;
    a.taps = s.co;
    a.block = p.block;
    a.step = s.co;
    a.row_step = 0;
    a.out_step = s.stride * s.ci;
    a.out_row_step = 0;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / s.od, d = item % s.od;
      for (int64_t block = 0; block < p.blocks; ++block) {
        const int64_t first = block * p.block, left = s.ci - first;
        const bool wide = p.block == 2 * kLanes && left > kLanes;
        a.lanes_last = static_cast<int>(std::min<int64_t>(kLanes, wide ? left - kLanes : left));
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t kd = t / (s.kh * s.kw), kh = t / s.kw % s.kh, kw = t % s.kw;
          weights[0] = p.at(block, t);
          for (int64_t h = 0; h < s.oh; ++h) {
            float* out = dx + (((n * s.d + d * s.stride + kd) * s.h + h * s.stride + kh) * s.w + kw) * s.ci + first;
            const float* in = dy + (item * s.oh + h) * s.ow * s.co;
            for (int64_t w = 0; w < s.ow;) {
              const int width = wide ? tile_width<2>(s.ow - w) : tile_width<1>(s.ow - w);
              inputs[0] = in + w * s.co;
              a.out = out + w * a.out_step;
              (wide ? pick<2>(1, width, a.step) : pick<1>(1, width, a.step))(a);
              w += width;
            }
          }
        }
      }
    }
  });
}

void conv_input_gradient(const ConvShape& s, const float* dy, const float* filter, float* dx, const Parallel& parallel) {
  if (s.stride > 1) return scatter_gradient(s, dy, filter, dx, parallel);
  ConvShape g = s;  // a convolution of dy that gives dx
  g.d = s.od, g.h = s.oh, g.w = s.ow, g.ci = s.co;
  g.od = s.d, g.oh = s.h, g.ow = s.w, g.co = s.ci;
  g.pd = s.kd - 1 - s.pd, g.ph = s.kh - 1 - s.ph, g.pw = s.kw - 1 - s.pw;
  if (winograd_covers(g, 16)) return winograd_mirrored(g, dy, filter, dx, parallel);
  const Packed p = pack_mirrored(s, filter, parallel);
  const bool pointwise = s.kd * s.kh * s.kw == 1 && s.pd + s.ph + s.pw == 0;
  convolve(pointwise ? flattened(g) : g, dy, p, dx, parallel);
}

// One output depth into df [kd*kh, kw*ci, co], filter rows [row_begin, row_end).
void filter_gradient_plane(const ConvShape& s, const float* const* planes, int64_t row, const float* dy, float* df,
                           int64_t row_begin, int64_t row_end) {
  const int64_t taps = s.kw * s.ci;
  // Pieces of dy that stay in the first-level cache while all taps pass over them.
  const int64_t piece = std::max<int64_t>(1, std::min<int64_t>(s.oh, 4096 / std::max<int64_t>(1, s.ow * std::min<int64_t>(s.co, 2 * kLanes))));
  OuterArguments a;
  a.step = s.stride * s.ci;
  a.row_step = s.stride * row;
  a.width = s.ow;
  a.dy_step = s.co;
  a.dy_row_step = s.ow * s.co;
  a.df_step = s.co;
  a.df_row_step = taps * s.co;
  for (int64_t h0 = 0; h0 < s.oh; h0 += piece) {
    const int64_t h1 = std::min(s.oh, h0 + piece);
    for (int64_t c = 0; c < s.co;) {
      const int64_t left = s.co - c;
      const bool wide = left > kLanes;
      a.lanes_last = static_cast<int>(std::min<int64_t>(kLanes, wide ? left - kLanes : left));
      // One input channel: whole groups of filter rows at once, or there would be too few sums in flight.
      const bool single = s.ci == 1 && s.kw == 3 && s.kh == 3 && row_begin == 0 && row_end == s.kd * s.kh;
      if (single) {
        for (int64_t kd = 0; kd < s.kd; ++kd) {
          if (!planes[kd]) continue;
          const float* in[3];
          for (int kh = 0; kh < 3; ++kh) in[kh] = planes[kd] + (h0 * s.stride + kh) * row;
          a.inputs = in;
          a.height = h1 - h0;
          a.dy = dy + h0 * a.dy_row_step + c;
          a.df = df + kd * 3 * a.df_row_step + c;
          OuterArguments b = a;
          b.lanes_last = wide ? kLanes : a.lanes_last;
          outer<3, 3, 1>(b);
          if (wide) {
            b = a;
            b.dy += kLanes;
            b.df += kLanes;
            outer<3, 3, 1>(b);
          }
        }
      } else {
        for (int64_t r = row_begin; r < row_end; ++r) {
          const int64_t kd = r / s.kh, kh = r % s.kh;
          if (!planes[kd]) continue;
          // Rows of padding add nothing.
          int64_t low = h0, high = h1;
          while (low < high && low * s.stride + kh < s.ph) ++low;
          while (high > low && (high - 1) * s.stride + kh - s.ph >= s.h) --high;
          if (low == high) continue;
          const float* in[1] = {planes[kd] + (low * s.stride + kh) * row};
          a.inputs = in;
          a.height = high - low;
          a.dy = dy + low * a.dy_row_step + c;
          a.df = df + r * a.df_row_step + c;
          if (wide) outer_taps<2>(a, taps);
          else outer_taps<1>(a, taps);
        }
      }
      c += wide ? 2 * kLanes : kLanes;
    }
  }
}

void conv_filter_gradient(const ConvShape& original, const float* x, const float* dy, float* df, const Parallel& parallel) {
#if defined(__AVX512F__)
  // Eight channels fill half a vector here, and a whole one there.
  if (original.ci == 8 && original.co == 8) return avx2::table()->conv_filter_gradient(original, x, dy, df, parallel);
#endif
  if (winograd_covers(original, 8)) return winograd_filter_gradient(original, x, dy, df, parallel);
  const bool pointwise = original.kd * original.kh * original.kw == 1 && original.stride == 1 &&
                         original.pd + original.ph + original.pw == 0;
  const ConvShape s = pointwise ? flattened(original) : original;
  const int64_t size = s.kd * s.kh * s.kw * s.ci * s.co, rows = s.kd * s.kh;
  const int64_t plane = s.oh * s.ow * s.co;
  const int64_t depths = s.n * s.od;
  const int64_t cost = s.oh * s.ow * size / kLanes;
  std::memset(df, 0, size * sizeof(float));
  if (size * 4 > (1 << 20) && rows > 1) {
    // Large filters, small maps: threads share the filter, each walks the whole volume.
    parallel(rows, depths * cost / rows + 1, [&](int64_t begin, int64_t end) {
      Planes planes(s, x);
      const float* at[kMaxRows];
      for (int64_t item = 0; item < depths; ++item) {
        planes.at(item / s.od, item % s.od, at);
        filter_gradient_plane(s, at, planes.row(), dy + item * plane, df, begin, end);
      }
    });
    return;
  }
  // A fixed number of partial sums, whatever the number of threads: the result does not depend on it.
  const int64_t parts = std::min<int64_t>(depths, 8);
  Buffer partial = allocate(parts * size);
  float* sums = partial.get();
  parallel(parts, depths * cost / parts + 1, [&](int64_t begin, int64_t end) {
    Planes planes(s, x);
    const float* at[kMaxRows];
    for (int64_t part = begin; part < end; ++part) {
      float* own = sums + part * size;
      std::memset(own, 0, size * sizeof(float));
      for (int64_t item = depths * part / parts; item < depths * (part + 1) / parts; ++item) {
        planes.at(item / s.od, item % s.od, at);
        filter_gradient_plane(s, at, planes.row(), dy + item * plane, own, 0, rows);
      }
    }
  });
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t i = 0; i < size; ++i) df[i] += sums[part * size + i];
}

}  // namespace

void fill_convolutions(Kernels* k) {
  k->conv_forward = conv_forward;
  k->conv_input_gradient = conv_input_gradient;
  k->conv_filter_gradient = conv_filter_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
