// Sizes, and the signatures of the kernels in kernels.cu: read by NVRTC in front of them, by the host that launches them and
// by the emulator, so that a launch whose arguments do not fit a kernel does not compile.
#ifndef SEMISEG_CUDA_SIGNATURES
#define SEMISEG_CUDA_SIGNATURES

#ifdef __CUDACC_RTC__
#define SEMISEG_GLOBAL extern "C" __global__ void
#else
#define SEMISEG_GLOBAL extern "C" void
#endif

namespace semiseg_cuda {

typedef long long Index;

// Threads of every block.
constexpr int kThreads = 256;

// x as [outer, rows, channels]. Each of `sets` runs of channels of an outer index has statistics of its own; sets 0: each row
// has. The rows are cut into `parts`, one for each block of a launch.
struct Norm {
  Index outer, rows, parts;
  int channels, sets, relu;
};

// Arrays that one launch updates. Block b belongs to the last array i with first[i] <= b.
constexpr int kMany = 48;
constexpr int kUpdateChunk = 4096;
struct Updates {
  const float* in[4][kMany];
  float* out[3][kMany];
  Index size[kMany];
  int first[kMany + 1];
};

struct SegmentationSlopes {
  const float *cross_entropy, *intersection, *squares, *sums;
};
struct SegmentationResults {
  float *cross_entropy, *intersection, *squares, *sums, *counts;
};

// Kernels for packs of one float and of four, and for at most so many classes.
#define SEMISEG_FOR_PACKS(declare) declare(1) declare(4)
#define SEMISEG_FOR_CLASSES(declare) declare(2) declare(4) declare(8) declare(16) declare(64)

#define SEMISEG_DECLARE(V)                                                                                              \
  SEMISEG_GLOBAL semiseg_norm_statistics_##V(const float* x, Norm s, float* partial);                                   \
  SEMISEG_GLOBAL semiseg_norm_apply_##V(const float* x, const float* gamma, const float* beta, const float* mean,       \
                                        const float* inverse, Norm s, float* y);                                        \
  SEMISEG_GLOBAL semiseg_norm_gradient_sums_##V(const float* dy, const float* x, const float* gamma, const float* beta, \
                                                const float* mean, const float* inverse, Norm s, float* partial);       \
  SEMISEG_GLOBAL semiseg_norm_gradient_apply_##V(const float* dy, const float* x, const float* gamma,                   \
                                                 const float* beta, const float* mean, const float* inverse,            \
                                                 const float* means, Norm s, float* dx);                                \
  SEMISEG_GLOBAL semiseg_relu_gradient_##V(const float* dy, const float* y, Index count, float slope, float* dx);       \
  SEMISEG_GLOBAL semiseg_gelu_##V(const float* x, Index count, float* y);                                               \
  SEMISEG_GLOBAL semiseg_gelu_gradient_##V(const float* dy, const float* x, Index count, float* dx);
SEMISEG_FOR_PACKS(SEMISEG_DECLARE)
#undef SEMISEG_DECLARE

SEMISEG_GLOBAL semiseg_norm_finish(const float* x, const float* partial, Norm s, float epsilon, float* mean, float* inverse);
SEMISEG_GLOBAL semiseg_norm_gradient_finish(const float* partial, const float* gamma, Norm s, float* means, float* dgamma,
                                            float* dbeta);
SEMISEG_GLOBAL semiseg_norm_rows(const float* x, const float* gamma, const float* beta, Norm s, int lanes, float epsilon,
                                 float* y, float* mean, float* inverse);
SEMISEG_GLOBAL semiseg_norm_rows_gradient(const float* dy, const float* x, const float* gamma, const float* beta,
                                          const float* mean, const float* inverse, Norm s, int lanes, float* dx);
SEMISEG_GLOBAL semiseg_sgd(Updates u, const float* numbers, int nesterov);
SEMISEG_GLOBAL semiseg_adamw(Updates u, const float* numbers);
SEMISEG_GLOBAL semiseg_ema(Updates u, const float* numbers);

#define SEMISEG_DECLARE(M)                                                                                           \
  SEMISEG_GLOBAL semiseg_segmentation_sums_##M(const float* logits, const int* labels, Index voxels, int channels,   \
                                               Index parts, float* partial);                                         \
  SEMISEG_GLOBAL semiseg_segmentation_gradient_##M(const float* logits, const int* labels, Index voxels,             \
                                                   int channels, SegmentationSlopes slopes, float* d_logits);
SEMISEG_FOR_CLASSES(SEMISEG_DECLARE)
#undef SEMISEG_DECLARE
SEMISEG_GLOBAL semiseg_segmentation_finish(const float* partial, Index parts, int channels, SegmentationResults results);

}  // namespace semiseg_cuda

#endif
