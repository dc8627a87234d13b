// What the operators call: one table of kernels per instruction set, chosen once at run time.
#pragma once
#include <cstdint>
#include <functional>

namespace semiseg {

// Runs body(begin, end) over [0, total) on the engine's threads; cost is cycles per item.
using Parallel = std::function<void(int64_t total, int64_t cost, const std::function<void(int64_t, int64_t)>& body)>;

// A 3-D convolution, channels last; filter [kd, kh, kw, ci, co]; one stride, symmetric or one-sided zero padding.
struct ConvShape {
  int64_t n;
  int64_t d, h, w, ci;     // input
  int64_t od, oh, ow, co;  // output
  int64_t kd, kh, kw;
  int64_t stride;
  int64_t pd, ph, pw;  // zeros before the first voxel
};

// What `Kernels::binary` computes of full value a and small value b.
enum Binary { kAdd = 0, kSubtract = 1, kMultiply = 2, kDivide = 3, kSubtractFrom = 4, kDivideInto = 5 };

// How `Kernels::resize` weighs an axis: linear interpolation with half-pixel centres, with corners that coincide, or means
// over equal cells.
enum ResizeRule { kLinear = 0, kAlignedLinear = 1, kArea = 2 };

// [n, from..., channels] and [n, to..., channels].
struct ResizeShape {
  int64_t n, from[3], to[3], channels;
  ResizeRule rule;
};

// c [batch, rows, columns] of a [a_batch, rows, depth] and b [b_batch, depth, columns], each possibly stored transposed; a
// batch of 1 meets all of the other's.
struct MatrixProduct {
  int64_t a_batch, b_batch, rows, columns, depth;
  bool transpose_a, transpose_b;
};

// Windows of [window] voxels that tile [n, from...]: [n, from / window..., channels].
struct PoolShape {
  int64_t n, from[3], window[3], channels;
};

struct Kernels {
  const char* name;
  void (*conv_forward)(const ConvShape&, const float* x, const float* filter, float* y, const Parallel&);
  // Gradient in the input; also a transposed convolution.
  void (*conv_input_gradient)(const ConvShape&, const float* dy, const float* filter, float* dx, const Parallel&);
  void (*conv_filter_gradient)(const ConvShape&, const float* x, const float* dy, float* df, const Parallel&);

  // Normalisation of [samples, rows, channels]; groups 0: statistics over samples and rows, [channels]; otherwise per
  // sample, [samples, groups]. Two passes for the variance.
  void (*norm_forward)(const float* x, const float* gamma, const float* beta, int64_t samples, int64_t rows,
                       int64_t channels, int64_t groups, float epsilon, bool relu, float* y, float* mean,
                       float* inverse_std, const Parallel&);
  void (*norm_gradient)(const float* dy, const float* x, const float* gamma, const float* beta, const float* mean,
                        const float* inverse_std, int64_t samples, int64_t rows, int64_t channels, int64_t groups,
                        bool relu, float* dx, float* dgamma, float* dbeta, const Parallel&);

  // dy where y > 0, slope * dy elsewhere.
  void (*relu_gradient)(const float* dy, const float* y, int64_t count, float slope, float* dx);
  // x (1 + erf(x / sqrt 2)) / 2, and dy times its slope.
  void (*gelu)(const float* x, int64_t count, float* y);
  void (*gelu_gradient)(const float* dy, const float* x, int64_t count, float* dx);
  // full [outer, mid, inner] with small [outer, inner], which every row of `mid` meets again; `operation` as in Binary.
  void (*binary)(int operation, const float* full, const float* small, int64_t outer, int64_t mid, int64_t inner,
                 float* out, const Parallel&);
  // small [outer, inner] as [outer, mid, inner].
  void (*broadcast)(const float* small, int64_t outer, int64_t mid, int64_t inner, float* out, const Parallel&);
  // Softmax of rows [begin, end) of [rows, channels].
  void (*softmax)(const float* x, int64_t begin, int64_t end, int64_t channels, float* y);
  // Of [rows, channels]: the sum of each row, or of each channel.
  void (*row_sums)(const float* x, int64_t begin, int64_t end, int64_t channels, float* sums);
  void (*channel_sums)(const float* x, int64_t rows, int64_t channels, float* sums, const Parallel&);
  void (*sgd)(const float* variable, const float* gradient, const float* velocity, int64_t count, float rate,
              float momentum, float decay, bool nesterov, float* new_variable, float* new_velocity);
  void (*adamw)(const float* variable, const float* gradient, const float* first, const float* second, int64_t count,
                float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2,
                float* new_variable, float* new_first, float* new_second);
  void (*ema)(const float* target, const float* source, int64_t count, float decay, float* out);
  // Cross-entropy -sum_j a_j ln(v_j + 1e-8) of the softmaxes v, a of rows [begin, end) of two [rows, channels] matrices,
  // as sum_j a_j ln(v_j + 1e-8) in loss[row], and the gradients of the cross-entropy in both matrices.
  void (*correlation_rows)(const float* zv, const float* za, int64_t begin, int64_t end, int64_t channels, float* loss,
                           float* gv, float* ga);
  // Sums over [begin, end) voxels into sums[1 + 4 * channels]: cross-entropy, then per class p*y, p*p, p, y.
  void (*segmentation_sums)(const float* logits, const int32_t* labels, int64_t begin, int64_t end, int64_t channels,
                            double* sums);
  void (*segmentation_gradient)(const float* logits, const int32_t* labels, int64_t begin, int64_t end,
                                int64_t channels, float d_cross_entropy, const float* d_intersection,
                                const float* d_squares, const float* d_sums, float* d_logits);
  // Of voxels [begin, end) with `mask` (or all, for null) into sums[2 + 3 * channels]: voxels, target ln p, then per class
  // p * target, p, target. And with slopes per class of those: d_logits = mask * (hit a + p (b + share - mean) - share target).
  void (*target_sums)(const float* logits, const float* target, const float* mask, int64_t begin, int64_t end,
                      int64_t channels, double* sums);
  void (*target_gradient)(const float* logits, const float* target, const float* mask, int64_t begin, int64_t end,
                          int64_t channels, const float* a, const float* b, float share, float* d_logits);
  void (*resize)(const ResizeShape&, const float* x, float* y, const Parallel&);
  void (*resize_gradient)(const ResizeShape&, const float* dy, float* dx, const Parallel&);
  // `bias` [columns] or null.
  void (*matrix_product)(const MatrixProduct&, const float* a, const float* b, const float* bias, float* c, const Parallel&);
  // Maximum of each window, and its gradient, which goes to the first voxel that is the maximum.
  void (*max_pool)(const PoolShape&, const float* x, float* y, const Parallel&);
  void (*max_pool_gradient)(const PoolShape&, const float* x, const float* dy, float* dx, const Parallel&);
};

namespace avx512 { const Kernels* table(); }
namespace avx2 { const Kernels* table(); }
namespace portable { const Kernels* table(); }

// The best table that this processor has; SEMISEG_NATIVE_OPS = avx512 | avx2 | portable forces one.
const Kernels& kernels();

}  // namespace semiseg
