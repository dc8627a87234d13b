// The two inner loops of all convolutions: a register tile of a matrix product with several rows of weights, and one of a
// sum of outer products. Compiled once per instruction set.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

#if defined(__AVX512F__)
constexpr int kTile1 = 16, kTile2 = 8;  // positions by one and by two vectors of channels
#else
constexpr int kTile1 = 8, kTile2 = 4;
#endif
constexpr int kMaxRows = 64;  // kd * kh

struct Free {
  void operator()(float* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<float, Free>;

// 64-byte aligned, with room for a whole vector past the end.
Buffer allocate(int64_t floats) {
  const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) + 64 + 63) & ~size_t{63};
  return Buffer(static_cast<float*>(std::aligned_alloc(64, bytes)));
}

// One tile: `Rows` output rows of `Width` positions by `Vectors` vectors of channels.
struct TileArguments {
  const float* const* inputs;   // per filter row: first input value of the tile
  const float* const* weights;  // per filter row: [taps, block]
  int filter_rows;
  int64_t taps;          // kw * ci
  int64_t block;         // channels in a packed block
  int64_t step;          // floats between neighbouring positions of the input
  int64_t row_step;      // floats between the input rows of neighbouring output rows
  float* out;
  int64_t out_step;      // floats between neighbouring positions of the output
  int64_t out_row_step;
  int lanes_last;        // channels in the last vector
};

template <int Rows, int Width, int Vectors, int Step>
__attribute__((noinline)) void tile(const TileArguments& a) {
  const int64_t step = Step ? Step : a.step;
  const int64_t taps = a.taps, block = a.block, row_step = a.row_step;
  Vec acc[Rows][Width][Vectors];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < Width; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) acc[r][i][v] = zero();
  for (int f = 0; f < a.filter_rows; ++f) {
    const float* in = a.inputs[f];
    const float* w = a.weights[f];
    for (int64_t t = 0; t < taps; ++t) {
      Vec b[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) b[v] = load(w + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
        for (int i = 0; i < Width; ++i) {
          const Vec x = splat(in[r * row_step + i * step]);
#pragma GCC unroll 2
          for (int v = 0; v < Vectors; ++v) acc[r][i][v] += x * b[v];
        }
      ++in;
      w += block;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < Width; ++i) {
      float* out = a.out + r * a.out_row_step + i * a.out_step;
      if (Vectors == 2) store(out, acc[r][i][0]);
      store_some(out + (Vectors - 1) * kLanes, acc[r][i][Vectors - 1], a.lanes_last);
    }
}

using Tile = void (*)(const TileArguments&);

template <int Rows, int Width, int Vectors>
Tile by_step(int64_t step) {
  switch (step) {
    case 8: return tile<Rows, Width, Vectors, 8>;
    case 16: return tile<Rows, Width, Vectors, 16>;
    case 32: return tile<Rows, Width, Vectors, 32>;
    case 64: return tile<Rows, Width, Vectors, 64>;
    case 128: return tile<Rows, Width, Vectors, 128>;
    case 256: return tile<Rows, Width, Vectors, 256>;
    default: return tile<Rows, Width, Vectors, 0>;
  }
}

// Widths that have a tile, largest first; whatever remains of a row is cut into these.
template <int Vectors>
int tile_width(int64_t left) {
  const int largest = Vectors == 1 ? kTile1 : kTile2;
  if (left == 7) return 4;
  for (int width : {16, 8, 6, 4, 3, 2})
    if (width <= largest && left >= width) return width;
  return 1;
}

template <int Vectors>
Tile pick(int rows, int width, int64_t step) {
  if (rows == 2) {
    if (width == 4) return by_step<2, 4, Vectors>(step);
    if (width == 3) return by_step<2, 3, Vectors>(step);
    return by_step<2, 2, Vectors>(step);
  }
  switch (width) {
    case 16: return by_step<1, Vectors == 1 && kTile1 >= 16 ? 16 : 1, Vectors>(step);
    case 8: return by_step<1, Vectors == 1 || kTile2 >= 8 ? 8 : 1, Vectors>(step);
    case 6: return by_step<1, Vectors == 1 || kTile2 >= 6 ? 6 : 1, Vectors>(step);
    case 4: return by_step<1, 4, Vectors>(step);
    case 3: return by_step<1, 3, Vectors>(step);
    case 2: return by_step<1, 2, Vectors>(step);
    default: return by_step<1, 1, Vectors>(step);
  }
}

// df tile: `Taps` filter values of `Rows` filter rows by `Vectors` vectors of channels, summed over positions.
struct OuterArguments {
  const float* const* inputs;  // per filter row of the tile
  const float* dy;
  int64_t height, width;
  int64_t step, row_step;        // input, between positions and rows
  int64_t dy_step, dy_row_step;  // dy
  float* df;
  int64_t df_row_step, df_step;  // between filter rows and taps
  int lanes_last;
};

template <int Rows, int Taps, int Vectors>
__attribute__((noinline)) void outer(const OuterArguments& a) {
  Vec acc[Rows][Taps][Vectors];
  const bool whole = a.lanes_last == kLanes;
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int t = 0; t < Taps; ++t)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) acc[r][t][v] = zero();
  for (int64_t h = 0; h < a.height; ++h) {
    const float* x[Rows];
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) x[r] = a.inputs[r] + h * a.row_step;
    const float* g = a.dy + h * a.dy_row_step;
    for (int64_t w = 0; w < a.width; ++w) {
      Vec b[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v)
        b[v] = v + 1 < Vectors || whole ? load(g + v * kLanes) : load_some(g + v * kLanes, a.lanes_last);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
        for (int t = 0; t < Taps; ++t) {
          const Vec value = splat(x[r][t]);
#pragma GCC unroll 2
          for (int v = 0; v < Vectors; ++v) acc[r][t][v] += value * b[v];
        }
        x[r] += a.step;
      }
      g += a.dy_step;
    }
  }
  // Added to what other pieces of the volume gave: sums of sums, not one long chain.
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (int t = 0; t < Taps; ++t) {
      float* out = a.df + r * a.df_row_step + t * a.df_step;
      if (Vectors == 2) store(out, load(out) + acc[r][t][0]);
      float* last = out + (Vectors - 1) * kLanes;
      store_some(last, load_some(last, a.lanes_last) + acc[r][t][Vectors - 1], a.lanes_last);
    }
}

template <int Vectors>
void outer_taps(OuterArguments a, int64_t taps) {
  const float* first = a.inputs[0];
  constexpr int largest = Vectors == 1 ? kTile1 : kTile2;
  for (int64_t t = 0; t < taps;) {
    const float* in[1] = {first + t};
    OuterArguments b = a;
    b.inputs = in;
    b.df = a.df + t * a.df_step;
    const int64_t left = taps - t;
    if (largest >= 16 && left >= 16) { outer<1, largest >= 16 ? 16 : 1, Vectors>(b); t += 16; }
    else if (largest >= 8 && left >= 8) { outer<1, largest >= 8 ? 8 : 1, Vectors>(b); t += 8; }
    else if (left >= 4) { outer<1, 4, Vectors>(b); t += 4; }
    else if (left >= 2) { outer<1, 2, Vectors>(b); t += 2; }
    else { outer<1, 1, Vectors>(b); t += 1; }
  }
}

}  // namespace
}  // namespace SEMISEG_TARGET
}  // namespace semiseg
