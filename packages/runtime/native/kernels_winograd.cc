// Winograd convolutions on [N, D, H, W, C]. The work is cut into chunks of output depths by rows of 2 x 2 tiles whose
// transformed values stay in cache: transform, sixteen matrix products, transform back.
#include "winograd.h"

#include <algorithm>
#include <vector>

#include "tile.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

constexpr int kPoints = 16;                   // of a 4 x 4 tile
constexpr int64_t kChunkFloats = 1 << 17;     // transformed input of a chunk that one thread works on
constexpr int64_t kSharedFloats = 1 << 20;    // and of a chunk that all threads work on
constexpr int64_t kWeightFloats = 300 << 10;  // transformed filters up to here are read by every thread for itself

// Memory of a thread that is kept between calls.
float* scratch(int slot, int64_t floats) {
  thread_local Buffer buffers[3];
  thread_local int64_t sizes[3] = {0, 0, 0};
  if (sizes[slot] < floats) {
    buffers[slot].reset();
    buffers[slot] = allocate(floats);
    sizes[slot] = floats;
  }
  return buffers[slot].get();
}

// Output depths [d0, d0 + depths) and rows of tiles [t0, t0 + tile_rows) of sample n.
struct Chunk {
  int64_t n, d0, depths, t0, tile_rows;
};

// How a convolution is cut up.
struct Plan {
  int64_t tiles_h, tiles_w, depths, tile_rows;
  int64_t chunks_d, chunks_h, count;
  int64_t row;         // floats of a row of tiles: tiles_w * ci
  int64_t most_tiles;  // in a chunk

  Plan(const ConvShape& s, int64_t floats) {
    tiles_h = (s.oh + 1) / 2;
    tiles_w = (s.ow + 1) / 2;
    const int64_t one = kPoints * tiles_w * s.ci;  // floats of one row of tiles of one depth
    // Whole depths of at least eight tiles, or a matrix product would have too few rows.
    tile_rows = std::min(tiles_h, std::max<int64_t>(1, (8 + tiles_w - 1) / tiles_w));
    depths = std::min(s.od, std::max<int64_t>(1, floats / (one * tile_rows) - 2));
    if (depths == s.od) tile_rows = std::min(tiles_h, std::max(tile_rows, floats / (one * (depths + 2))));
    chunks_d = (s.od + depths - 1) / depths;
    depths = (s.od + chunks_d - 1) / chunks_d;
    chunks_h = (tiles_h + tile_rows - 1) / tile_rows;
    tile_rows = (tiles_h + chunks_h - 1) / chunks_h;
    count = s.n * chunks_d * chunks_h;
    most_tiles = depths * tile_rows * tiles_w;
  }
  Chunk at(const ConvShape& s, int64_t i) const {
    Chunk c;
    c.n = i / (chunks_d * chunks_h);
    c.d0 = i / chunks_h % chunks_d * depths;
    c.t0 = i % chunks_h * tile_rows;
    c.depths = std::max<int64_t>(0, std::min(depths, s.od - c.d0));
    c.tile_rows = std::max<int64_t>(0, std::min(tile_rows, tiles_h - c.t0));
    return c;
  }
  // Floats between the points of a chunk; not a multiple of a page, or all points would share a few sets of the cache.
  int64_t input_stride(const ConvShape& s) const { return padded((depths + s.kd - 1) * tile_rows * tiles_w * s.ci); }
  int64_t output_stride(int64_t channels) const { return padded(most_tiles * channels); }
  static int64_t padded(int64_t floats) { return (floats + 1023) / 1024 * 1024 + 16; }
};

// Input depth of a slot: slot d + k holds what output depth d0 + d sees through filter depth k.
int64_t depth_of(const ConvShape& s, const Chunk& c, int64_t slot) { return c.d0 + slot - s.pd; }
bool inside(const ConvShape& s, int64_t depth) { return depth >= 0 && depth < s.d; }

// B^T d B for the rows of tiles [begin, end) of (slot, tile row) of a chunk: u [points][slots, tile rows, tiles, ci].
void transform_input(const ConvShape& s, const Plan& plan, const Chunk& c, const float* x, const float* zeros, float* u,
                     int64_t stride, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t depth = depth_of(s, c, item / c.tile_rows);
    if (!inside(s, depth)) continue;  // never read
    const float* plane = x + (c.n * s.d + depth) * s.h * s.w * s.ci;
    const float* rows[4];
    for (int i = 0; i < 4; ++i) {
      const int64_t h = (c.t0 + item % c.tile_rows) * 2 + i - s.ph;
      rows[i] = h >= 0 && h < s.h ? plane + h * s.w * s.ci : nullptr;
    }
    float* out = u + item * plan.tiles_w * s.ci;
    for (int64_t ch = 0; ch < s.ci; ch += kLanes) {
      Vec t[4][4];  // [point along height][column]
      const auto column = [&](int j, int64_t w) {
        Vec d[4];
        const bool in = w >= 0 && w < s.w;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) d[i] = load(in && rows[i] ? rows[i] + w * s.ci + ch : zeros);
        t[0][j] = d[0] - d[2];
        t[1][j] = d[1] + d[2];
        t[2][j] = d[2] - d[1];
        t[3][j] = d[1] - d[3];
      };
      column(0, -s.pw);
      column(1, 1 - s.pw);
      for (int64_t tile = 0; tile < plan.tiles_w; ++tile) {
        column(2, 2 * tile + 2 - s.pw);
        column(3, 2 * tile + 3 - s.pw);
        float* o = out + tile * s.ci + ch;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          store(o + (4 * i + 0) * stride, t[i][0] - t[i][2]);
          store(o + (4 * i + 1) * stride, t[i][1] + t[i][2]);
          store(o + (4 * i + 2) * stride, t[i][2] - t[i][1]);
          store(o + (4 * i + 3) * stride, t[i][1] - t[i][3]);
          t[i][0] = t[i][2];
          t[i][1] = t[i][3];
        }
      }
    }
  }
}

// A^T m A of `channels` channels from m [points][tiles, block] to y at channel `first`.
void transform_output(const ConvShape& s, const Plan& plan, const Chunk& c, const float* m, int64_t stride,
                      int64_t block, int64_t channels, int64_t first, float* y, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t d = c.d0 + item / c.tile_rows, h = (c.t0 + item % c.tile_rows) * 2;
    float* out = y + (((c.n * s.od + d) * s.oh + h) * s.ow) * s.co + first;
    const bool second_row = h + 1 < s.oh;
    const float* in = m + item * plan.tiles_w * block;
    for (int64_t tile = 0; tile < plan.tiles_w; ++tile) {
      const bool second = 2 * tile + 1 < s.ow;
      for (int64_t ch = 0; ch < channels; ch += kLanes) {
        const float* p = in + tile * block + ch;
        Vec t[2][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const Vec a = load(p + j * stride), b = load(p + (4 + j) * stride), e = load(p + (8 + j) * stride),
                    f = load(p + (12 + j) * stride);
          t[0][j] = a + b + e;
          t[1][j] = b - e - f;
        }
        float* o = out + 2 * tile * s.co + ch;
        store(o, t[0][0] + t[0][1] + t[0][2]);
        if (second) store(o + s.co, t[0][1] - t[0][2] - t[0][3]);
        if (second_row) {
          o += s.ow * s.co;
          store(o, t[1][0] + t[1][1] + t[1][2]);
          if (second) store(o + s.co, t[1][1] - t[1][2] - t[1][3]);
        }
      }
    }
  }
}

// A dy A^T, the gradient of transform_output: v [points][depths, tile rows, tiles, co].
void transform_gradient(const ConvShape& s, const Plan& plan, const Chunk& c, const float* dy, float* v, int64_t stride,
                        int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) {
    const int64_t d = c.d0 + item / c.tile_rows, h = (c.t0 + item % c.tile_rows) * 2;
    const float* in = dy + (((c.n * s.od + d) * s.oh + h) * s.ow) * s.co;
    const bool second_row = h + 1 < s.oh;
    float* out = v + item * plan.tiles_w * s.co;
    for (int64_t tile = 0; tile < plan.tiles_w; ++tile) {
      const bool second = 2 * tile + 1 < s.ow;
      for (int64_t ch = 0; ch < s.co; ch += kLanes) {
        const float* p = in + 2 * tile * s.co + ch;
        const Vec a = load(p), b = second ? load(p + s.co) : zero();
        const Vec e = second_row ? load(p + s.ow * s.co) : zero();
        const Vec f = second_row && second ? load(p + s.ow * s.co + s.co) : zero();
        const Vec left[4] = {a, a + e, a - e, zero() - e}, right[4] = {b, b + f, b - f, zero() - f};
        float* o = out + tile * s.co + ch;
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          store(o + (4 * i + 0) * stride, left[i]);
          store(o + (4 * i + 1) * stride, left[i] + right[i]);
          store(o + (4 * i + 2) * stride, left[i] - right[i]);
          store(o + (4 * i + 3) * stride, zero() - right[i]);
        }
      }
    }
  }
}

// Transformed filters: [blocks][points][depths][ci][block].
struct Weights {
  Buffer data;
  int64_t block, blocks, ci;
  float* at(int64_t b, int point, int64_t depth) const {
    return data.get() + ((b * kPoints + point) * 3 + depth) * ci * block;
  }
};

// G g G^T of a 3 x 3 filter.
SEMISEG_INLINE void transform_taps(const Vec* g, Vec out[kPoints]) {
  const Vec half = splat(0.5f);
  Vec t[4][3];
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) {
    const Vec ends = (g[j] + g[6 + j]) * half, middle = g[3 + j] * half;
    t[0][j] = g[j];
    t[1][j] = ends + middle;
    t[2][j] = ends - middle;
    t[3][j] = g[6 + j];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec ends = (t[i][0] + t[i][2]) * half, middle = t[i][1] * half;
    out[4 * i] = t[i][0];
    out[4 * i + 1] = ends + middle;
    out[4 * i + 2] = ends - middle;
    out[4 * i + 3] = t[i][2];
  }
}

Weights transform_filter(const ConvShape& s, const float* filter, bool mirrored, const Parallel& parallel) {
  Weights w;
  w.block = s.co > kLanes ? 2 * kLanes : kLanes;
  w.blocks = (s.co + w.block - 1) / w.block;
  w.ci = s.ci;
  w.data = allocate(w.blocks * kPoints * 3 * s.ci * w.block);
  const int64_t groups = s.ci / kLanes, taps = s.ci * s.co;
  parallel(w.blocks * 3 * groups, kLanes * w.block * 12, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / (3 * groups), depth = item / groups % 3, c0 = item % groups * kLanes;
      const int64_t first = b * w.block;
      for (int64_t o = 0; o < std::min(w.block, s.co - first); o += kLanes) {
        // [tap][c][lane]: as it is in the filter, or transposed and seen in a mirror.
        alignas(64) float swapped[9][kLanes][kLanes];
        if (mirrored)
          for (int t = 0; t < 9; ++t) {
            const float* from = filter + ((2 - depth) * 9 + 8 - t) * taps + (first + o) * s.ci + c0;
            for (int i = 0; i < kLanes; ++i)
              for (int c = 0; c < kLanes; ++c) swapped[t][c][i] = from[i * s.ci + c];
          }
        for (int c = 0; c < kLanes; ++c) {
          Vec g[9], out[kPoints];
          for (int t = 0; t < 9; ++t)
            g[t] = load(mirrored ? swapped[t][c] : filter + ((depth * 9 + t) * s.ci + c0 + c) * s.co + first + o);
          transform_taps(g, out);
          for (int p = 0; p < kPoints; ++p) store(w.at(b, p, depth) + (c0 + c) * w.block + o, out[p]);
        }
      }
    }
  });
  return w;
}

// m [tiles, block] of one point and one block of channels: the sum over the filter's depths of u times the weights.
template <int Vectors>
void multiply(const ConvShape& s, const Plan& plan, const Chunk& c, const float* u, const Weights& w, int64_t block,
              int point, float* m, int64_t out_step) {
  const int64_t per_depth = c.tile_rows * plan.tiles_w;
  const float* inputs[3];
  const float* weights[3];
  TileArguments a;
  a.inputs = inputs;
  a.weights = weights;
  a.taps = s.ci;
  a.block = w.block;
  a.step = s.ci;
  a.row_step = 0;
  a.out_step = out_step;
  a.out_row_step = 0;
  a.lanes_last = kLanes;
  for (int64_t d = 0; d < c.depths;) {
    // Neighbouring depths that see the same filter depths are one product.
    const auto seen = [&](int64_t depth) {
      int bits = 0;
      for (int k = 0; k < 3; ++k) bits |= inside(s, depth_of(s, c, depth + k)) << k;
      return bits;
    };
    const int bits = seen(d);
    int64_t last = d + 1;
    while (last < c.depths && seen(last) == bits) ++last;
    for (int64_t r = d * per_depth; r < last * per_depth;) {
      const int width = tile_width<Vectors>(last * per_depth - r);
      a.filter_rows = 0;
      for (int k = 0; k < 3; ++k)
        if (bits >> k & 1) {
          inputs[a.filter_rows] = u + (r + k * per_depth) * s.ci;
          weights[a.filter_rows++] = w.at(block, point, k);
        }
      a.out = m + r * out_step;
      pick<Vectors>(1, width, a.step)(a);
      r += width;
    }
    d = last;
  }
}

void multiply_block(const ConvShape& s, const Plan& plan, const Chunk& c, const float* u, const Weights& w,
                    int64_t block, int point, float* m, int64_t out_step) {
  if (std::min(w.block, s.co - block * w.block) > kLanes) multiply<2>(s, plan, c, u, w, block, point, m, out_step);
  else multiply<1>(s, plan, c, u, w, block, point, m, out_step);
}

void winograd(const ConvShape& s, const float* x, const float* filter, bool mirrored, float* y, const Parallel& parallel) {
  const Weights w = transform_filter(s, filter, mirrored, parallel);
  const float zeros[kLanes] = {};
  const auto channels_of = [&](int64_t block) { return std::min(w.block, s.co - block * w.block); };
  if (kPoints * 3 * s.ci * s.co > kWeightFloats) {
    // Many channels: threads share a chunk, so that every transformed filter is read once a chunk by one of them.
    const Plan plan(s, kSharedFloats);
    const int64_t us = plan.input_stride(s), ms = plan.output_stride(s.co);
    const Buffer ub = allocate(kPoints * us), mb = allocate(kPoints * ms);
    float *u = ub.get(), *m = mb.get();
    for (int64_t i = 0; i < plan.count; ++i) {
      const Chunk c = plan.at(s, i);
      const int64_t rows = c.depths * c.tile_rows;
      if (rows == 0) continue;
      parallel((c.depths + s.kd - 1) * c.tile_rows, plan.tiles_w * s.ci * 4, [&](int64_t begin, int64_t end) {
        transform_input(s, plan, c, x, zeros, u, us, begin, end);
      });
      parallel(kPoints * w.blocks, rows * plan.tiles_w * s.ci * 3 * w.block / kLanes, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          const int64_t block = item % w.blocks, point = item / w.blocks;
          multiply_block(s, plan, c, u + point * us, w, block, static_cast<int>(point), m + point * ms + block * w.block, s.co);
        }
      });
      parallel(rows, plan.tiles_w * s.co * 4, [&](int64_t begin, int64_t end) {
        transform_output(s, plan, c, m, ms, s.co, s.co, 0, y, begin, end);
      });
    }
    return;
  }
  const Plan plan(s, kChunkFloats);
  const int64_t us = plan.input_stride(s), ms = plan.output_stride(w.block);
  parallel(plan.count, plan.most_tiles * kPoints * 3 * s.ci * s.co / kLanes, [&](int64_t begin, int64_t end) {
    float *u = scratch(0, kPoints * us), *m = scratch(1, kPoints * ms);
    for (int64_t i = begin; i < end; ++i) {
      const Chunk c = plan.at(s, i);
      const int64_t rows = c.depths * c.tile_rows;
      if (rows == 0) continue;
      transform_input(s, plan, c, x, zeros, u, us, 0, (c.depths + s.kd - 1) * c.tile_rows);
      for (int64_t block = 0; block < w.blocks; ++block) {
        for (int point = 0; point < kPoints; ++point)
          multiply_block(s, plan, c, u + point * us, w, block, point, m + point * ms, w.block);
        transform_output(s, plan, c, m, ms, w.block, channels_of(block), block * w.block, y, 0, rows);
      }
    }
  });
}

// sums [point][depth][ci][co] += u^T v for one point and filter depth of a chunk.
void accumulate(const ConvShape& s, const Plan& plan, const Chunk& c, const float* u, const float* v, int64_t depth,
                float* sums) {
  int64_t low = 0, high = c.depths;
  while (low < high && !inside(s, depth_of(s, c, low + depth))) ++low;
  while (high > low && !inside(s, depth_of(s, c, high - 1 + depth))) --high;
  if (low == high) return;
  const int64_t per_depth = c.tile_rows * plan.tiles_w;
  const float* in[1] = {u + (low + depth) * per_depth * s.ci};
  OuterArguments a;
  a.inputs = in;
  a.height = 1;
  a.width = (high - low) * per_depth;
  a.step = s.ci;
  a.row_step = 0;
  a.dy_step = s.co;
  a.dy_row_step = 0;
  a.df_step = s.co;
  a.df_row_step = 0;
  a.lanes_last = kLanes;
  for (int64_t ch = 0; ch < s.co;) {
    a.dy = v + low * per_depth * s.co + ch;
    a.df = sums + ch;
    if (s.co - ch > kLanes) {
      outer_taps<2>(a, s.ci);
      ch += 2 * kLanes;
    } else {
      outer_taps<1>(a, s.ci);
      ch += kLanes;
    }
  }
}

// df = G^T m G, summed over `parts` of m [parts][point][depth][ci][co].
void transform_sums(const ConvShape& s, const float* m, int64_t parts, float* df, const Parallel& parallel) {
  const int64_t plane = s.ci * s.co, size = kPoints * 3 * plane;
  parallel(3 * s.ci, s.co / kLanes * (parts + 4) * kPoints * 2, [&](int64_t begin, int64_t end) {
    const Vec half = splat(0.5f);
    for (int64_t item = begin; item < end; ++item)
      for (int64_t ch = 0; ch < s.co; ch += kLanes) {
        const int64_t depth = item / s.ci, at = item % s.ci * s.co + ch;
        Vec t[3][4];
        for (int j = 0; j < 4; ++j) {
          Vec sum[4];
          for (int i = 0; i < 4; ++i) {
            const float* p = m + ((4 * i + j) * 3 + depth) * plane + at;
            sum[i] = load(p);
            for (int64_t part = 1; part < parts; ++part) sum[i] += load(p + part * size);
          }
          t[0][j] = sum[0] + (sum[1] + sum[2]) * half;
          t[1][j] = (sum[1] - sum[2]) * half;
          t[2][j] = (sum[1] + sum[2]) * half + sum[3];
        }
        for (int i = 0; i < 3; ++i) {
          float* out = df + (depth * 9 + 3 * i) * plane + at;
          store(out, t[i][0] + (t[i][1] + t[i][2]) * half);
          store(out + plane, (t[i][1] - t[i][2]) * half);
          store(out + 2 * plane, (t[i][1] + t[i][2]) * half + t[i][3]);
        }
      }
  });
}

}  // namespace

bool winograd_covers(const ConvShape& s, int64_t least_channels) {
  if (s.kd != 3 || s.kh != 3 || s.kw != 3 || s.stride != 1) return false;
  if (s.ci % kLanes != 0 || s.co % kLanes != 0 || std::min(s.ci, s.co) < least_channels) return false;
  // Transforming the filters must pay.
  const int64_t tiles = s.n * s.od * ((s.oh + 1) / 2) * ((s.ow + 1) / 2);
  return s.oh >= 4 && s.ow >= 4 && 4 * tiles >= std::max(s.ci, s.co);
}

void winograd_forward(const ConvShape& s, const float* x, const float* filter, float* y, const Parallel& parallel) {
  winograd(s, x, filter, false, y, parallel);
}

void winograd_mirrored(const ConvShape& s, const float* x, const float* filter, float* y, const Parallel& parallel) {
  winograd(s, x, filter, true, y, parallel);
}

void winograd_filter_gradient(const ConvShape& s, const float* x, const float* dy, float* df, const Parallel& parallel) {
  const int64_t plane = s.ci * s.co, size = kPoints * 3 * plane;
  const float zeros[kLanes] = {};
  if (size > kWeightFloats) {
    // Threads share a chunk; each adds to its own points and filter depths.
    const Plan plan(s, kSharedFloats);
    const int64_t us = plan.input_stride(s), vs = plan.output_stride(s.co);
    const Buffer ub = allocate(kPoints * us), vb = allocate(kPoints * vs), sb = allocate(size);
    float *u = ub.get(), *v = vb.get(), *sums = sb.get();
    std::fill(sums, sums + size, 0.f);
    for (int64_t i = 0; i < plan.count; ++i) {
      const Chunk c = plan.at(s, i);
      const int64_t rows = c.depths * c.tile_rows;
      if (rows == 0) continue;
      parallel((c.depths + s.kd - 1) * c.tile_rows, plan.tiles_w * s.ci * 4, [&](int64_t begin, int64_t end) {
        transform_input(s, plan, c, x, zeros, u, us, begin, end);
      });
      parallel(rows, plan.tiles_w * s.co * 4, [&](int64_t begin, int64_t end) {
        transform_gradient(s, plan, c, dy, v, vs, begin, end);
      });
      parallel(kPoints * 3, rows * plan.tiles_w * plane / kLanes, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item)
          accumulate(s, plan, c, u + item / 3 * us, v + item / 3 * vs, item % 3, sums + item * plane);
      });
    }
    transform_sums(s, sums, 1, df, parallel);
    return;
  }
  const Plan plan(s, kChunkFloats);
  const int64_t us = plan.input_stride(s), vs = plan.output_stride(s.co);
  // A fixed number of partial sums, whatever the number of threads: the result does not depend on it.
  const int64_t parts = std::min<int64_t>(plan.count, 8);
  const Buffer partial = allocate(parts * size);
  parallel(parts, plan.count * plan.most_tiles * size / kLanes / parts, [&](int64_t begin, int64_t end) {
    float *u = scratch(0, kPoints * us), *v = scratch(2, kPoints * vs);
    for (int64_t part = begin; part < end; ++part) {
      float* sums = partial.get() + part * size;
      std::fill(sums, sums + size, 0.f);
      for (int64_t i = plan.count * part / parts; i < plan.count * (part + 1) / parts; ++i) {
        const Chunk c = plan.at(s, i);
        const int64_t rows = c.depths * c.tile_rows;
        if (rows == 0) continue;
        transform_input(s, plan, c, x, zeros, u, us, 0, (c.depths + s.kd - 1) * c.tile_rows);
        transform_gradient(s, plan, c, dy, v, vs, 0, rows);
        for (int64_t item = 0; item < kPoints * 3; ++item)
          accumulate(s, plan, c, u + item / 3 * us, v + item / 3 * vs, item % 3, sums + item * plane);
      }
    }
  });
  transform_sums(s, partial.get(), parts, df, parallel);
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
