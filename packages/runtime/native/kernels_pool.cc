// Maximum over windows that tile the volume, channels last. Compiled once per instruction set.
#include <algorithm>

#include "kernels.h"
#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

// Offsets of a window's voxels from its first one.
struct Window {
  int64_t offsets[64];
  int count = 0;
  explicit Window(const PoolShape& s) {
    for (int64_t d = 0; d < s.window[0]; ++d)
      for (int64_t h = 0; h < s.window[1]; ++h)
        for (int64_t w = 0; w < s.window[2]; ++w)
          offsets[count++] = ((d * s.from[1] + h) * s.from[2] + w) * s.channels;
  }
};

// Calls body(first voxel of the window, output voxel) for all windows of output lines [begin, end).
template <typename Body>
void windows(const PoolShape& s, int64_t begin, int64_t end, const Body& body) {
  const int64_t to[3] = {s.from[0] / s.window[0], s.from[1] / s.window[1], s.from[2] / s.window[2]};
  for (int64_t line = begin; line < end; ++line) {
    const int64_t h = line % to[1] * s.window[1], d = line / to[1] % to[0] * s.window[0], n = line / to[1] / to[0];
    for (int64_t w = 0; w < to[2]; ++w)
      body((((n * s.from[0] + d) * s.from[1] + h) * s.from[2] + w * s.window[2]) * s.channels, (line * to[2] + w) * s.channels);
  }
}

int64_t lines(const PoolShape& s) { return s.n * (s.from[0] / s.window[0]) * (s.from[1] / s.window[1]); }
int64_t cost(const PoolShape& s, const Window& window) { return s.from[2] / s.window[2] * s.channels * window.count / 4 + 16; }

void max_pool(const PoolShape& s, const float* x, float* y, const Parallel& parallel) {
  const Window window(s);
  parallel(lines(s), cost(s, window), [&](int64_t begin, int64_t end) {
    windows(s, begin, end, [&](int64_t from, int64_t to) {
      for (int64_t c = 0; c < s.channels; c += kLanes) {
        const int64_t left = s.channels - c;
        Vec most = load_part(x + from + c, left);
        for (int k = 1; k < window.count; ++k) {
          const Vec v = load_part(x + from + window.offsets[k] + c, left);
          most = v > most ? v : most;
        }
        store_part(y + to + c, most, left);
      }
    });
  });
}

void max_pool_gradient(const PoolShape& s, const float* x, const float* dy, float* dx, const Parallel& parallel) {
  const Window window(s);
  parallel(lines(s), 2 * cost(s, window), [&](int64_t begin, int64_t end) {
    windows(s, begin, end, [&](int64_t from, int64_t to) {
      for (int64_t c = 0; c < s.channels; c += kLanes) {
        const int64_t left = s.channels - c;
        Vec most = load_part(x + from + c, left), index = zero();
        for (int k = 1; k < window.count; ++k) {
          const Vec v = load_part(x + from + window.offsets[k] + c, left);
          index = v > most ? splat(static_cast<float>(k)) : index;
          most = v > most ? v : most;
        }
        const Vec gradient = load_part(dy + to + c, left);
        for (int k = 0; k < window.count; ++k)
          store_part(dx + from + window.offsets[k] + c, index == splat(static_cast<float>(k)) ? gradient : zero(), left);
      }
    });
  });
}

}  // namespace

void fill_pool(Kernels* k) {
  k->max_pool = max_pool;
  k->max_pool_gradient = max_pool_gradient;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
