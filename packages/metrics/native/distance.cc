// Squared distances to the nearest seed: the WebAssembly side of src/surface/squared-distances.ts, which says what each
// step does. No library, no globals but the heap; offsets are given by the caller.
#include <stdint.h>
#include <wasm_simd128.h>

typedef uint8_t u8;
typedef uint16_t u16;

namespace {

constexpr u16 kNone = 65535;
constexpr int kBlock = 8;

// Working memory of one line of n voxels, laid out in 32 n + 16 bytes from `at`.
struct Line {
  double spacing;
  double* border;
  double* height;
  double* key;    // height + (spacing apex)^2
  double* slope;  // 1 / (2 spacing^2 k)
  int32_t* apex;

  Line(double* at, int n, double spacing_)
      : spacing(spacing_), border(at), height(at + n), key(at + 2 * n), slope(at + 3 * n),
        apex(reinterpret_cast<int32_t*>(at + 4 * n + 1)) {}

  void fill(int n) {
    for (int k = 0; k <= n; k++) slope[k] = 1 / (2 * spacing * spacing * k);
  }

  int build(const double* values, int first, int last) {
    int count = 0, top = 0;
    double topKey = 0, start = 0;
    for (int i = first; i <= last; i++) {
      const double v = values[i];
      if (v == __builtin_inf()) continue;
      const double along = i * spacing;
      const double mine = v + along * along;
      double from = first;
      while (count > 0) {
        from = (mine - topKey) * slope[i - top];
        if (from > start) break;
        if (--count == 0) {
          from = first;
          break;
        }
        top = apex[count - 1];
        topKey = key[count - 1];
        start = border[count - 1];
      }
      if (from > last) continue;
      apex[count] = top = i;
      height[count] = v;
      key[count] = topKey = mine;
      border[count] = start = from;
      count++;
    }
    return count;
  }

  int end(int p, int count, int last) const {
    if (p + 1 == count) return last;
    return (int)border[p + 1];
  }
};

void column(double* values, int n, Line& line) {
  for (int y = 0; y < n;) {
    if (values[y] == 0) {
      y++;
      continue;
    }
    const int first = y > 0 ? y - 1 : 0;
    int last = y;
    while (last < n - 1 && values[last] != 0) last++;
    const int count = line.build(values, first, last);
    for (int p = 0; p < count; p++) {
      const int end = line.end(p, count, last), apex = line.apex[p];
      const double height = line.height[p];
      for (; y <= end; y++) {
        const double along = (y - apex) * line.spacing;
        values[y] = height + along * along;
      }
    }
    y = last + 1;
  }
}

}  // namespace

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

/** before[i]: slices back to the last seed. */
EXPORT("prepare") void prepare(const u8* seeds, u16* before, u16* after, int d, int plane) {
  for (int i = 0; i < plane; i++) after[i] = kNone;
  for (int i = 0; i < plane; i++) before[i] = seeds[i] ? 0 : kNone;
  const v128_t one = wasm_i16x8_splat(1);
  const int size = d * plane;
  int i = plane;
  for (; i + 8 <= size; i += 8) {
    const v128_t clear = wasm_i16x8_eq(wasm_u16x8_load8x8(seeds + i), wasm_i16x8_splat(0));
    wasm_v128_store(before + i, wasm_v128_and(clear, wasm_u16x8_add_sat(wasm_v128_load(before + i - plane), one)));
  }
  for (; i < size; i++) {
    const u16 last = before[i - plane];
    before[i] = seeds[i] ? 0 : last == kNone ? kNone : last + 1;
  }
}

/** Fills the tables of a line of n voxels. */
EXPORT("lines") void lines(double* at, int n, double spacing) { Line(at, n, spacing).fill(n); }

/** One slice back: counts the seeds ahead in `after`, and leaves the nearest along the depth in `before`. */
EXPORT("step") void step(const u8* seeds, u16* before, u16* after, int plane) {
  const v128_t one = wasm_i16x8_splat(1);
  int i = 0;
  for (; i + 8 <= plane; i += 8) {
    const v128_t clear = wasm_i16x8_eq(wasm_u16x8_load8x8(seeds + i), wasm_i16x8_splat(0));
    const v128_t next = wasm_v128_and(clear, wasm_u16x8_add_sat(wasm_v128_load(after + i), one));
    wasm_v128_store(after + i, next);
    wasm_v128_store(before + i, wasm_u16x8_min(next, wasm_v128_load(before + i)));
  }
  for (; i < plane; i++) {
    const u16 ahead = after[i];
    const u16 next = seeds[i] ? 0 : ahead == kNone ? kNone : ahead + 1;
    after[i] = next;
    if (next < before[i]) before[i] = next;
  }
}

/** Squared distances within the plane of the first two axes for the slice whose depths are given. */
EXPORT("slice") void slice(const u16* depth, double* squared, double* columns, double* lineAt, int h, int w,
                           double spacingDepth, double spacingHeight) {
  Line line(lineAt, h, spacingHeight);
  for (int x0 = 0; x0 < w; x0 += kBlock) {
    const int wide = w - x0 < kBlock ? w - x0 : kBlock;
    for (int y = 0; y < h; y++)
      for (int k = 0; k < wide; k++) {
        const u16 n = depth[y * w + x0 + k];
        const double along = n * spacingDepth;
        columns[k * h + y] = n == kNone ? __builtin_inf() : along * along;
      }
    for (int k = 0; k < wide; k++) column(columns + k * h, h, line);
    for (int y = 0; y < h; y++)
      for (int k = 0; k < wide; k++) squared[y * w + x0 + k] = columns[k * h + y];
  }
}

/** Distances of a slice; 0 at seeds. */
EXPORT("rows") void rows(const u8* seeds, const double* squared, float* out, double* lineAt, int h, int w,
                         double spacing) {
  Line line(lineAt, w, spacing);
  for (int y = 0; y < h; y++, seeds += w, squared += w, out += w)
    for (int x = 0; x < w;) {
      if (seeds[x]) {
        out[x++] = 0;
        continue;
      }
      const int first = x > 0 ? x - 1 : 0;
      int last = x;
      while (last < w - 1 && !seeds[last]) last++;
      const int count = line.build(squared, first, last);
      if (count == 0)
        for (; x <= last; x++) out[x] = __builtin_inff();
      for (int p = 0; p < count; p++) {
        const int end = line.end(p, count, last), apex = line.apex[p];
        const double height = line.height[p];
        for (; x <= end; x++) {
          const double along = (x - apex) * line.spacing;
          out[x] = (float)__builtin_sqrt(height + along * along);
        }
      }
      x = last + 1;
    }
}

/** Distances of the voxels `first` to `end` (indices from the slice's start), in ascending order. */
EXPORT("points") void points(const double* squared, const int32_t* voxels, double* out, double* lineAt, int start,
                             int first, int end, int w, double spacing) {
  Line line(lineAt, w, spacing);
  for (int q = first; q < end;) {
    const int row = (voxels[q] - start) / w * w;
    const int count = line.build(squared + row, 0, w - 1);
    const int behind = start + row + w;
    for (int p = 0; q < end && voxels[q] < behind; q++) {
      const int x = voxels[q] - start - row;
      while (p + 1 < count && line.border[p + 1] < x) p++;
      const double along = (x - line.apex[p]) * spacing;
      out[q] = __builtin_sqrt(line.height[p] + along * along);
    }
  }
}
