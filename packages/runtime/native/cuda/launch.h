// Which kernels an operator launches, in what order and over how many blocks. Templates over the launcher, so that a GPU and
// the tests' emulator go through the same sequences. A launcher has
//   launch(SEMISEG_KERNEL(name), blocks, arguments...): nothing for 0 blocks; the arguments have the kernel's very types;
//   workspace(count): floats that last until the sequence's kernels are done.
// SEMISEG_KERNEL is the includer's. Sequences never ask the device anything: sizes alone decide.
#pragma once
#include <algorithm>
#include <cstdint>

#include "signatures.h"

namespace semiseg_cuda {

// Blocks that sum parts: enough to fill the largest devices several times over.
constexpr Index kSumBlocks = 1024;
// Rows, packs or voxels that a thread takes one after another, at least while that leaves several blocks.
constexpr Index kPerThread = 8;

inline Index divided_up(Index a, Index b) { return (a + b - 1) / b; }

// Whether all are made of whole aligned packs of 4 floats.
template <typename... P>
bool in_fours(Index count, P... pointers) {
  return count % 4 == 0 && ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// SEMISEG_KERNEL of packs of 4 or of 1.
#define SEMISEG_PACKED(fours, name, ...) \
  ((fours) ? run.launch(SEMISEG_KERNEL(name##_4), __VA_ARGS__) : run.launch(SEMISEG_KERNEL(name##_1), __VA_ARGS__))

// `samples`, `rows`, `channels` and `groups` as in Kernels::norm_forward.
inline Norm norm_of(Index samples, Index rows, Index channels, Index groups, bool relu) {
  const bool each_row = rows == 1 && groups == 1, joined = each_row || groups == 0;
  Norm s{};
  s.outer = joined ? 1 : samples;
  s.rows = joined ? samples * rows : rows;
  s.channels = static_cast<int>(channels);
  s.sets = each_row ? 0 : static_cast<int>(groups == 0 ? channels : groups);
  s.relu = relu;
  return s;
}

// Cuts the rows into parts for sums or (`most` 0) for a pass without any; returns the blocks of a launch.
inline Index cut(Norm* s, int pack, Index most) {
  const Index packs = s->channels / pack, tiles = divided_up(packs, kThreads), step = packs < kThreads ? kThreads / packs : 1;
  s->parts = divided_up(s->rows, step * kPerThread);
  if (most > 0) s->parts = std::min(s->parts, most / std::max<Index>(1, s->outer * tiles));
  s->parts = std::max<Index>(1, s->parts);
  return s->outer * tiles * s->parts;
}

// Threads for each row of a layer norm: a power of 2, about four channels for each.
inline int lanes_of(const Norm& s) {
  int lanes = 1;
  while (lanes < kThreads && lanes * 4 < s.channels) lanes *= 2;
  return lanes;
}

template <typename Run>
void norm_forward(Run& run, const float* x, const float* gamma, const float* beta, Index samples, Index rows, Index channels,
                  Index groups, float epsilon, bool relu, float* y, float* mean, float* inverse) {
  if (channels == 0) return;
  Norm s = norm_of(samples, rows, channels, groups, relu);
  if (s.sets == 0) {
    const int lanes = lanes_of(s);
    return run.launch(SEMISEG_KERNEL(semiseg_norm_rows), divided_up(s.rows, kThreads / lanes), x, gamma, beta, s, lanes, epsilon, y,
                      mean, inverse);
  }
  const bool fours = in_fours(channels, x, gamma, beta, y);
  const int pack = fours ? 4 : 1;
  Index blocks = cut(&s, pack, kSumBlocks);
  float* partial = run.workspace(s.outer * s.parts * 2 * channels);
  SEMISEG_PACKED(fours, semiseg_norm_statistics, blocks, x, s, partial);
  run.launch(SEMISEG_KERNEL(semiseg_norm_finish), s.outer * s.sets, static_cast<const float*>(x), static_cast<const float*>(partial),
             s, epsilon, mean, inverse);
  if (s.rows == 0) return;
  blocks = cut(&s, pack, 0);
  SEMISEG_PACKED(fours, semiseg_norm_apply, blocks, x, gamma, beta, static_cast<const float*>(mean),
                 static_cast<const float*>(inverse), s, y);
}

template <typename Run>
void norm_gradient(Run& run, const float* dy, const float* x, const float* gamma, const float* beta, const float* mean,
                   const float* inverse, Index samples, Index rows, Index channels, Index groups, bool relu, float* dx,
                   float* dgamma, float* dbeta) {
  if (channels == 0) return;
  Norm s = norm_of(samples, rows, channels, groups, relu);
  const bool fours = in_fours(channels, dy, x, gamma, beta, dx);
  const int pack = fours ? 4 : 1;
  Index blocks = cut(&s, pack, kSumBlocks);
  const Index partials = s.outer * s.parts * 2 * channels;
  float* partial = run.workspace(partials + 2 * s.outer * s.sets);
  float* means = partial + partials;
  SEMISEG_PACKED(fours, semiseg_norm_gradient_sums, blocks, dy, x, gamma, beta, mean, inverse, s, partial);
  run.launch(SEMISEG_KERNEL(semiseg_norm_gradient_finish), s.outer * s.sets + channels, static_cast<const float*>(partial), gamma, s,
             means, dgamma, dbeta);
  if (s.rows == 0) return;
  if (s.sets == 0) {
    const int lanes = lanes_of(s);
    return run.launch(SEMISEG_KERNEL(semiseg_norm_rows_gradient), divided_up(s.rows, kThreads / lanes), dy, x, gamma, beta, mean,
                      inverse, s, lanes, dx);
  }
  blocks = cut(&s, pack, 0);
  SEMISEG_PACKED(fours, semiseg_norm_gradient_apply, blocks, dy, x, gamma, beta, mean, inverse, static_cast<const float*>(means), s,
                 dx);
}

inline Index pack_blocks(Index count, bool fours) { return divided_up(count, kThreads * kPerThread * (fours ? 4 : 1)); }

template <typename Run>
void relu_gradient(Run& run, const float* dy, const float* y, Index count, float slope, float* dx) {
  const bool fours = in_fours(count, dy, y, dx);
  SEMISEG_PACKED(fours, semiseg_relu_gradient, pack_blocks(count, fours), dy, y, count, slope, dx);
}

template <typename Run>
void gelu(Run& run, const float* x, Index count, float* y) {
  const bool fours = in_fours(count, x, y);
  SEMISEG_PACKED(fours, semiseg_gelu, pack_blocks(count, fours), x, count, y);
}

template <typename Run>
void gelu_gradient(Run& run, const float* dy, const float* x, Index count, float* dx) {
  const bool fours = in_fours(count, dy, x, dx);
  SEMISEG_PACKED(fours, semiseg_gelu_gradient, pack_blocks(count, fours), dy, x, count, dx);
}

// Calls launch(updates, blocks) for every kMany of `count` arrays; of array i, fill(updates, slot, i) gives pointers and size.
template <typename Fill, typename Launch>
void in_many(Index count, const Fill& fill, const Launch& launch) {
  for (Index begin = 0; begin < count; begin += kMany) {
    const int here = static_cast<int>(std::min<Index>(kMany, count - begin));
    Updates u{};
    for (int i = 0; i < here; ++i) {
      fill(u, i, begin + i);
      u.first[i + 1] = u.first[i] + static_cast<int>(divided_up(u.size[i], kUpdateChunk));
    }
    launch(u, static_cast<Index>(u.first[here]));
  }
}

template <typename Run, typename Fill>
void sgd(Run& run, Index count, const Fill& fill, const float* numbers, bool nesterov) {
  in_many(count, fill, [&](const Updates& u, Index blocks) {
    run.launch(SEMISEG_KERNEL(semiseg_sgd), blocks, u, numbers, static_cast<int>(nesterov));
  });
}

template <typename Run, typename Fill>
void adamw(Run& run, Index count, const Fill& fill, const float* numbers) {
  in_many(count, fill, [&](const Updates& u, Index blocks) { run.launch(SEMISEG_KERNEL(semiseg_adamw), blocks, u, numbers); });
}

template <typename Run, typename Fill>
void ema(Run& run, Index count, const Fill& fill, const float* numbers) {
  in_many(count, fill, [&](const Updates& u, Index blocks) { run.launch(SEMISEG_KERNEL(semiseg_ema), blocks, u, numbers); });
}

// SEMISEG_KERNEL for the fewest classes that hold `channels`, which is at most 64.
#define SEMISEG_BY_CLASSES(name, ...)                                                  \
  (channels <= 2    ? run.launch(SEMISEG_KERNEL(name##_2), __VA_ARGS__)                \
   : channels <= 4  ? run.launch(SEMISEG_KERNEL(name##_4), __VA_ARGS__)                \
   : channels <= 8  ? run.launch(SEMISEG_KERNEL(name##_8), __VA_ARGS__)                \
   : channels <= 16 ? run.launch(SEMISEG_KERNEL(name##_16), __VA_ARGS__)               \
                    : run.launch(SEMISEG_KERNEL(name##_64), __VA_ARGS__))

template <typename Run>
void segmentation_sums(Run& run, const float* logits, const int* labels, Index voxels, int channels,
                       const SegmentationResults& results) {
  const Index parts = std::max<Index>(1, std::min(kSumBlocks / 2, divided_up(voxels, kThreads * kPerThread)));
  float* partial = run.workspace(parts * (1 + 4 * channels));
  SEMISEG_BY_CLASSES(semiseg_segmentation_sums, parts, logits, labels, voxels, channels, parts, partial);
  run.launch(SEMISEG_KERNEL(semiseg_segmentation_finish), static_cast<Index>(1 + 4 * channels), static_cast<const float*>(partial), parts,
             channels, results);
}

template <typename Run>
void segmentation_gradient(Run& run, const float* logits, const int* labels, Index voxels, int channels,
                           const SegmentationSlopes& slopes, float* d_logits) {
  SEMISEG_BY_CLASSES(semiseg_segmentation_gradient, divided_up(voxels, kThreads), logits, labels, voxels, channels, slopes, d_logits);
}

#undef SEMISEG_PACKED
#undef SEMISEG_BY_CLASSES

}  // namespace semiseg_cuda
