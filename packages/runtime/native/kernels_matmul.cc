// Matrix products with a short side, where general libraries spend their time on packing: a few queries by many tokens, many
// tokens by a small weight, sums of outer products over many tokens. Compiled once per instruction set.
#include <algorithm>
#include <vector>

#include "kernels.h"
#include "rows.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

constexpr int kRows = 8;             // rows of a register tile
constexpr int64_t kDepth = 256;      // terms summed before the tile is written: a packed panel stays in the first cache
constexpr int64_t kRowBlock = 256;   // rows of a task

// acc[rows][vectors] += a[row][p] * b[p][vector], b packed.
template <int rows, int vectors>
SEMISEG_INLINE void products(int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b, Vec (*acc)[2]) {
  for (int64_t p = 0; p < depth; ++p) {
    const Vec b0 = load(b + p * vectors * kLanes);
    const Vec b1 = vectors == 2 ? load(b + p * vectors * kLanes + kLanes) : b0;
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vec value = splat(a[r * a_row + p * a_step]);
      acc[r][0] += value * b0;
      if (vectors == 2) acc[r][1] += value * b1;
    }
  }
}

// One register tile of c; `first`: c holds nothing yet, and starts from the bias of its columns or rows, if there is one.
template <int rows, int vectors>
__attribute__((noinline)) void tile(int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b, bool first,
                                    const float* column_bias, const float* row_bias, int64_t columns, float* c,
                                    int64_t c_row, int64_t c_column) {
  Vec acc[rows][2];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) acc[r][0] = acc[r][1] = row_bias && first ? splat(row_bias[r]) : zero();
  products<rows, vectors>(depth, a, a_row, a_step, b, acc);
  if (c_row == 1 && c_column == rows && columns == vectors * kLanes && first && !column_bias) {
    // Columns of the result are all in this tile.
    float values[rows][vectors * kLanes];
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vectors; ++v) store(values[r] + v * kLanes, acc[r][v]);
    for (int64_t k = 0; k < vectors * kLanes; ++k)
      for (int r = 0; r < rows; ++r) c[k * rows + r] = values[r][k];
    return;
  }
  for (int v = 0; v < vectors; ++v) {
    const int64_t left = columns - v * kLanes;
    if (left <= 0) break;
    const int count = static_cast<int>(std::min<int64_t>(kLanes, left));
    const Vec bias = column_bias && first ? load_some(column_bias + v * kLanes, count) : zero();
    for (int r = 0; r < rows; ++r) {
      float* to = c + r * c_row + v * kLanes * c_column;
      Vec value = acc[r][v] + bias;
      if (c_column == 1) {
        if (!first) value += count == kLanes ? load(to) : load_some(to, count);
        if (count == kLanes) store(to, value);
        else store_some(to, value, count);
      } else {
        for (int k = 0; k < count; ++k) to[k * c_column] = first ? value[k] : to[k * c_column] + value[k];
      }
    }
  }
}

template <int vectors>
void tile_of(int rows, int64_t depth, const float* a, int64_t a_row, int64_t a_step, const float* b, bool first,
             const float* column_bias, const float* row_bias, int64_t columns, float* c, int64_t c_row, int64_t c_column) {
  switch (rows) {
    case 8: return tile<8, vectors>(depth, a, a_row, a_step, b, first, column_bias, row_bias, columns, c, c_row, c_column);
    case 4: return tile<4, vectors>(depth, a, a_row, a_step, b, first, column_bias, row_bias, columns, c, c_row, c_column);
    case 2: return tile<2, vectors>(depth, a, a_row, a_step, b, first, column_bias, row_bias, columns, c, c_row, c_column);
    default: return tile<1, vectors>(depth, a, a_row, a_step, b, first, column_bias, row_bias, columns, c, c_row, c_column);
  }
}

// A strided matrix: element (i, j) at data[i * row + j * column].
struct Matrix {
  const float* data;
  int64_t row, column;
};

typedef float Four __attribute__((vector_size(16)));
typedef float UnalignedFour __attribute__((vector_size(16), aligned(4), may_alias));
typedef int FourIndices __attribute__((vector_size(16)));

// out[i * width + j] = from[j * step + i] of a 4 x 4 square.
SEMISEG_INLINE void transpose_square(const float* from, int64_t step, float* out, int64_t width) {
  const Four a = *(const UnalignedFour*)from, b = *(const UnalignedFour*)(from + step);
  const Four c = *(const UnalignedFour*)(from + 2 * step), d = *(const UnalignedFour*)(from + 3 * step);
  const Four ab0 = __builtin_shuffle(a, b, FourIndices{0, 4, 1, 5}), ab1 = __builtin_shuffle(a, b, FourIndices{2, 6, 3, 7});
  const Four cd0 = __builtin_shuffle(c, d, FourIndices{0, 4, 1, 5}), cd1 = __builtin_shuffle(c, d, FourIndices{2, 6, 3, 7});
  *(UnalignedFour*)out = __builtin_shuffle(ab0, cd0, FourIndices{0, 1, 4, 5});
  *(UnalignedFour*)(out + width) = __builtin_shuffle(ab0, cd0, FourIndices{2, 3, 6, 7});
  *(UnalignedFour*)(out + 2 * width) = __builtin_shuffle(ab1, cd1, FourIndices{0, 1, 4, 5});
  *(UnalignedFour*)(out + 3 * width) = __builtin_shuffle(ab1, cd1, FourIndices{2, 3, 6, 7});
}

// [columns][depth] as [depth][width], for few terms that lie without gaps.
template <int depth>
void pack_short(const float* from, int64_t columns, int64_t width, float* out) {
  for (int64_t j = 0; j < columns; ++j)
    for (int p = 0; p < depth; ++p) out[p * width + j] = from[j * depth + p];
}

bool pack_few(int64_t depth, const float* from, int64_t columns, int64_t width, float* out) {
  switch (depth) {
    case 1: return pack_short<1>(from, columns, width, out), true;
    case 2: return pack_short<2>(from, columns, width, out), true;
    case 3: return pack_short<3>(from, columns, width, out), true;
    case 4: return pack_short<4>(from, columns, width, out), true;
    case 8: return pack_short<8>(from, columns, width, out), true;
    default: return false;
  }
}

// `width` columns of terms [k, k + depth) of b as [depth][width], zeros past the last column.
void pack(const Matrix& b, int64_t k, int64_t depth, int64_t column, int64_t columns, int64_t width, float* out) {
  const float* from = b.data + k * b.row + column * b.column;
  if (b.column == 1) {
    for (int64_t p = 0; p < depth; ++p) {
      for (int64_t j = 0; j < columns; ++j) out[p * width + j] = from[p * b.row + j];
      for (int64_t j = columns; j < width; ++j) out[p * width + j] = 0.f;
    }
    return;
  }
  if (columns < width) std::fill(out, out + depth * width, 0.f);
  if (b.row == 1 && b.column == depth && pack_few(depth, from, columns, width, out)) return;
  int64_t j = 0;
  if (b.row == 1)
    for (; j + 4 <= columns; j += 4) {
      int64_t p = 0;
      for (; p + 4 <= depth; p += 4) transpose_square(from + j * b.column + p, b.column, out + p * width + j, width);
      for (; p < depth; ++p)
        for (int i = 0; i < 4; ++i) out[p * width + j + i] = from[(j + i) * b.column + p];
    }
  for (; j < columns; ++j)
    for (int64_t p = 0; p < depth; ++p) out[p * width + j] = from[j * b.column + p * b.row];
}

// c[m0..m1, n0..n1] = a b over terms [k0, k1).
void block(const Matrix& a, const Matrix& b, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k0, int64_t k1,
           const float* column_bias, const float* row_bias, float* c, int64_t c_row, int64_t c_column) {
  alignas(64) float packed[kDepth * 2 * kLanes];
  for (int64_t k = k0; k < k1; k += kDepth) {
    const int64_t depth = std::min(kDepth, k1 - k);
    for (int64_t n = n0; n < n1; n += 2 * kLanes) {
      const int64_t columns = std::min<int64_t>(2 * kLanes, n1 - n);
      const int vectors = columns > kLanes ? 2 : 1;
      pack(b, k, depth, n, columns, vectors * kLanes, packed);
      for (int64_t m = m0; m < m1;) {
        int rows = kRows;
        while (rows > m1 - m) rows /= 2;
        (vectors == 2 ? tile_of<2> : tile_of<1>)(rows, depth, a.data + m * a.row + k * a.column, a.row, a.column, packed,
                                                 k == k0, column_bias ? column_bias + n : nullptr,
                                                 row_bias ? row_bias + m : nullptr, columns,
                                                 c + m * c_row + n * c_column, c_row, c_column);
        m += rows;
      }
    }
  }
}

// The sum of outer products of rows [k0, k1) of a [K, rows] and b [K, columns], a few numbers wide each: vectors lie along
// the rows that are summed. False for widths that this does not cover.
bool outer_products(const float* a, const float* b, int64_t rows, int64_t columns, int64_t k0, int64_t k1, float* c) {
  constexpr int64_t kChunk = 16 * kLanes;
  float left[8 * kChunk], right[8 * kChunk];
  Vec sums[64];
  for (int64_t i = 0; i < rows * columns; ++i) sums[i] = zero();
  for (int64_t k = k0; k < k1; k += kChunk) {
    const int64_t count = std::min(kChunk, k1 - k);
    if (count < kChunk) {
      std::fill(left, left + rows * kChunk, 0.f);
      std::fill(right, right + columns * kChunk, 0.f);
    }
    if (!pack_few(rows, a + k * rows, count, kChunk, left) || !pack_few(columns, b + k * columns, count, kChunk, right)) return false;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        Vec sum = zero();
        for (int64_t p = 0; p < kChunk; p += kLanes) sum += load(left + i * kChunk + p) * load(right + j * kChunk + p);
        sums[i * columns + j] += sum;
      }
  }
  for (int64_t i = 0; i < rows * columns; ++i) c[i] = total(sums[i]);
  return true;
}

void product(const MatrixProduct& s, const float* a_data, const float* b_data, const float* bias, float* out,
             const Parallel& parallel) {
  Matrix a{a_data, s.transpose_a ? 1 : s.depth, s.transpose_a ? s.rows : 1};
  Matrix b{b_data, s.transpose_b ? 1 : s.columns, s.transpose_b ? s.depth : 1};
  int64_t rows = s.rows, columns = s.columns, c_row = s.columns, c_column = 1;
  const float *column_bias = bias, *row_bias = nullptr;
  // Vectors lie along the longer side: the transposed product.
  const bool swapped = columns < kLanes && rows > columns;
  if (swapped) {
    std::swap(a, b);
    std::swap(a.row, a.column);
    std::swap(b.row, b.column);
    std::swap(rows, columns);
    std::swap(c_row, c_column);
    std::swap(column_bias, row_bias);
  }
  const int64_t size = s.rows * s.columns, batch = std::max(s.a_batch, s.b_batch);
  const int64_t a_own = s.a_batch == 1 ? 0 : s.rows * s.depth, b_own = s.b_batch == 1 ? 0 : s.depth * s.columns;
  const int64_t a_step = swapped ? b_own : a_own, b_step = swapped ? a_own : b_own;
  const auto of = [](const Matrix& m, int64_t offset) { return Matrix{m.data + offset, m.row, m.column}; };

  // A long sum into few numbers is cut into parts, unless those were more to write than the inputs are to read.
  int64_t parts = s.depth >= 4 * kDepth ? std::min(kParts, s.depth / kDepth) : 1;
  if (parts * size > s.depth * (rows + columns) / 2) parts = 1;
  if (parts > 1) {
    std::vector<float> partial(batch * parts * size);
    parallel(batch * parts, s.depth / parts * size / 8 + s.depth / parts, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t n = item / parts, part = item % parts;
        const bool few = s.rows <= 8 && s.columns <= 8 && s.transpose_a && !s.transpose_b;
        if (few && outer_products(a_data + n * a_own, b_data + n * b_own, s.rows, s.columns, s.depth * part / parts,
                                  s.depth * (part + 1) / parts, partial.data() + item * size))
          continue;
        block(of(a, n * a_step), of(b, n * b_step), 0, rows, 0, columns, s.depth * part / parts,
              s.depth * (part + 1) / parts, nullptr, nullptr, partial.data() + item * size, c_row, c_column);
      }
    });
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t i = 0; i < size; ++i) {
        double sum = bias ? bias[i % s.columns] : 0;
        for (int64_t part = 0; part < parts; ++part) sum += partial[(n * parts + part) * size + i];
        out[n * size + i] = static_cast<float>(sum);
      }
    return;
  }
  // With few blocks of rows, tasks are also ranges of columns.
  const int64_t row_blocks = (rows + kRowBlock - 1) / kRowBlock;
  const int64_t column_block = row_blocks >= 8 ? columns : (rows < 64 ? 8 : 2) * 2 * kLanes;
  const int64_t column_blocks = (columns + column_block - 1) / column_block;
  const int64_t tasks = row_blocks * column_blocks;
  parallel(batch * tasks, std::min(rows, kRowBlock) * std::min(columns, column_block) * s.depth / 8 + 100,
           [&](int64_t begin, int64_t end) {
             for (int64_t item = begin; item < end; ++item) {
               const int64_t n = item / tasks, m0 = item % tasks / column_blocks * kRowBlock;
               const int64_t n0 = item % tasks % column_blocks * column_block;
               block(of(a, n * a_step), of(b, n * b_step), m0, std::min(rows, m0 + kRowBlock), n0,
                     std::min(columns, n0 + column_block), 0, s.depth, column_bias, row_bias, out + n * size, c_row, c_column);
             }
           });
}

}  // namespace

void fill_matmul(Kernels* k) { k->matrix_product = product; }

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
