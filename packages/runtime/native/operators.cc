// TensorFlow operators around the kernels, and the table of the best instruction set.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels.h"
#include "operators.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace semiseg {

const Kernels& kernels() {
  static const Kernels* const table = [] {
    const char* forced = std::getenv("SEMISEG_NATIVE_OPS");
    const std::string name = forced ? forced : "";
    const bool has512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    const bool has2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (name == "portable") return portable::table();
    if (name == "avx2" && has2) return avx2::table();
    if (has512 && (name.empty() || name == "avx512")) return avx512::table();
    return has2 ? avx2::table() : portable::table();
  }();
  return *table;
}

namespace {

using tensorflow::shape_inference::InferenceContext;

Parallel threads_of(OpKernelContext* context) {
  auto* workers = context->device()->tensorflow_cpu_worker_threads()->workers;
  return [workers](int64_t total, int64_t cost, const std::function<void(int64_t, int64_t)>& body) {
    workers->ParallelFor(total, cost, body);
  };
}

absl::Status unknown_shapes(InferenceContext* c) {
  for (int i = 0; i < c->num_outputs(); ++i) c->set_output(i, c->UnknownShape());
  return absl::OkStatus();
}

// Convolution attributes: stride and the zeros before the first voxel; `shape` is what cannot be read off the inputs.
class ConvBase : public OpKernel {
 public:
  explicit ConvBase(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("stride", &stride_));
    OP_REQUIRES_OK(c, c->GetAttr("padding", &padding_));
    OP_REQUIRES_OK(c, c->GetAttr("shape", &shape_));
  }

 protected:
  // x [n,d,h,w,ci], filter [kd,kh,kw,ci,co], y [n,od,oh,ow,co]
  ConvShape conv_shape(const TensorShape& x, const TensorShape& f, const TensorShape& y) const {
    ConvShape s;
    s.n = x.dim_size(0), s.d = x.dim_size(1), s.h = x.dim_size(2), s.w = x.dim_size(3), s.ci = x.dim_size(4);
    s.od = y.dim_size(1), s.oh = y.dim_size(2), s.ow = y.dim_size(3), s.co = y.dim_size(4);
    s.kd = f.dim_size(0), s.kh = f.dim_size(1), s.kw = f.dim_size(2);
    s.stride = stride_;
    s.pd = padding_[0], s.ph = padding_[1], s.pw = padding_[2];
    return s;
  }
  TensorShape given() const { return TensorShape(absl::Span<const int64_t>(shape_.data(), shape_.size())); }
  int64_t stride_;
  std::vector<int64_t> padding_, shape_;
};

class ConvForward : public ConvBase {
 public:
  using ConvBase::ConvBase;
  void Compute(OpKernelContext* c) override {
    Tensor* y;
    OP_REQUIRES_OK(c, c->allocate_output(0, given(), &y));
    const ConvShape s = conv_shape(c->input(0).shape(), c->input(1).shape(), y->shape());
    kernels().conv_forward(s, in(c, 0), in(c, 1), data(y), threads_of(c));
  }
};

class ConvInputGradient : public ConvBase {
 public:
  using ConvBase::ConvBase;
  void Compute(OpKernelContext* c) override {
    Tensor* dx;
    OP_REQUIRES_OK(c, c->allocate_output(0, given(), &dx));
    const ConvShape s = conv_shape(dx->shape(), c->input(1).shape(), c->input(0).shape());
    kernels().conv_input_gradient(s, in(c, 0), in(c, 1), data(dx), threads_of(c));
  }
};

class ConvFilterGradient : public ConvBase {
 public:
  using ConvBase::ConvBase;
  void Compute(OpKernelContext* c) override {
    Tensor* df;
    OP_REQUIRES_OK(c, c->allocate_output(0, given(), &df));
    const ConvShape s = conv_shape(c->input(0).shape(), df->shape(), c->input(1).shape());
    kernels().conv_filter_gradient(s, in(c, 0), in(c, 1), data(df), threads_of(c));
  }
};

class NormForward : public NormBase {
 public:
  using NormBase::NormBase;
  void Compute(OpKernelContext* c) override {
    const Sizes s = sizes(c->input(0));
    Tensor *y, *mean, *inverse;
    OP_REQUIRES_OK(c, allocate_forward(c, s, &y, &mean, &inverse));
    kernels().norm_forward(in(c, 0), in(c, 1), in(c, 2), s.n, s.rows, s.channels, s.groups, epsilon_, relu_, data(y),
                           data(mean), data(inverse), threads_of(c));
  }
};

// Inputs dy, x, gamma, beta, mean, inverse.
class NormGradient : public NormBase {
 public:
  using NormBase::NormBase;
  void Compute(OpKernelContext* c) override {
    const Sizes s = sizes(c->input(1));
    Tensor *dx, *dgamma, *dbeta;
    OP_REQUIRES_OK(c, allocate_gradient(c, s, &dx, &dgamma, &dbeta));
    kernels().norm_gradient(in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5), s.n, s.rows, s.channels, s.groups,
                            relu_, data(dx), data(dgamma), data(dbeta), threads_of(c));
  }
};

class ReluGradient : public OpKernel {
 public:
  explicit ReluGradient(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("slope", &slope_)); }
  void Compute(OpKernelContext* c) override {
    Tensor* dx;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &dx));
    const float *dy = in(c, 0), *y = in(c, 1);
    float* out = data(dx);
    threads_of(c)(dx->NumElements(), 1, [&](int64_t b, int64_t e) { kernels().relu_gradient(dy + b, y + b, e - b, slope_, out + b); });
  }

 private:
  float slope_;
};

class Gelu : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &out));
    const float* x = in(c, 0);
    float* y = data(out);
    threads_of(c)(out->NumElements(), 20, [&](int64_t b, int64_t e) { kernels().gelu(x + b, e - b, y + b); });
  }
};

// Inputs dy, x.
class GeluGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES(c, c->input(0).shape() == c->input(1).shape(), absl::InvalidArgumentError("SemisegGeluGradient: shapes"));
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &out));
    const float *dy = in(c, 0), *x = in(c, 1);
    float* dx = data(out);
    threads_of(c)(out->NumElements(), 40, [&](int64_t b, int64_t e) { kernels().gelu_gradient(dy + b, x + b, e - b, dx + b); });
  }
};

// Inputs full, small; how they meet is in the attributes.
class BinaryOperation : public OpKernel {
 public:
  explicit BinaryOperation(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("operation", &operation_));
    OP_REQUIRES_OK(c, c->GetAttr("mid", &mid_));
    OP_REQUIRES_OK(c, c->GetAttr("inner", &inner_));
  }
  void Compute(OpKernelContext* c) override {
    const int64_t count = c->input(0).NumElements(), small = c->input(1).NumElements();
    OP_REQUIRES(c, small * mid_ == count && small % inner_ == 0, absl::InvalidArgumentError("SemisegBinary: shapes"));
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &out));
    kernels().binary(static_cast<int>(operation_), in(c, 0), in(c, 1), small / inner_, mid_, inner_, data(out), threads_of(c));
  }

 private:
  int64_t operation_, mid_, inner_;
};

// A tensor repeated along axes in which it has size 1; `shape` is the result's, mid and inner say how.
class Broadcast : public OpKernel {
 public:
  explicit Broadcast(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("shape", &shape_));
    OP_REQUIRES_OK(c, c->GetAttr("mid", &mid_));
    OP_REQUIRES_OK(c, c->GetAttr("inner", &inner_));
  }
  void Compute(OpKernelContext* c) override {
    const int64_t small = c->input(0).NumElements();
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape(absl::Span<const int64_t>(shape_.data(), shape_.size())), &out));
    OP_REQUIRES(c, small * mid_ == out->NumElements() && small % inner_ == 0, absl::InvalidArgumentError("SemisegBroadcast: shapes"));
    kernels().broadcast(in(c, 0), small / inner_, mid_, inner_, data(out), threads_of(c));
  }

 private:
  std::vector<int64_t> shape_;
  int64_t mid_, inner_;
};

// The same numbers under another shape. TensorFlow's own wants the shape as a tensor, made anew for every call.
class Reshape : public OpKernel {
 public:
  explicit Reshape(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("shape", &shape_)); }
  void Compute(OpKernelContext* c) override {
    Tensor out;
    OP_REQUIRES(c, out.CopyFrom(c->input(0), TensorShape(absl::Span<const int64_t>(shape_.data(), shape_.size()))),
                absl::InvalidArgumentError("SemisegReshape: sizes"));
    c->set_output(0, out);
  }

 private:
  std::vector<int64_t> shape_;
};

class Softmax : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor& x = c->input(0);
    const int64_t channels = x.dim_size(x.dims() - 1);
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, x.shape(), &out));
    const float* z = in(c, 0);
    float* y = data(out);
    threads_of(c)(x.NumElements() / channels, 4 * channels, [&](int64_t b, int64_t e) { kernels().softmax(z, b, e, channels, y); });
  }
};

// Sum over the trailing axes (`rows` true), or of x [outer, n, kept] over n; `shape` is the result's.
class Sum : public OpKernel {
 public:
  explicit Sum(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("rows", &rows_));
    OP_REQUIRES_OK(c, c->GetAttr("outer", &outer_));
    OP_REQUIRES_OK(c, c->GetAttr("shape", &shape_));
  }
  void Compute(OpKernelContext* c) override {
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape(absl::Span<const int64_t>(shape_.data(), shape_.size())), &out));
    const int64_t count = c->input(0).NumElements(), kept = out->NumElements();
    const float* x = in(c, 0);
    float* sums = data(out);
    if (rows_) {
      threads_of(c)(kept, count / kept, [&](int64_t b, int64_t e) { kernels().row_sums(x, b, e, count / kept, sums); });
    } else {
      const int64_t each = kept / outer_;
      for (int64_t o = 0; o < outer_; ++o)
        kernels().channel_sums(x + o * (count / outer_), count / kept, each, sums + o * each, threads_of(c));
    }
  }

 private:
  bool rows_;
  int64_t outer_;
  std::vector<int64_t> shape_;
};

// All variables of an optimizer in one call: inputs in groups of `count` (variables, gradients, moments...).
class Sgd : public OpKernel {
 public:
  explicit Sgd(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("count", &count_));
    OP_REQUIRES_OK(c, c->GetAttr("nesterov", &nesterov_));
  }
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES_OK(c, check_groups(c, count_, 3, 3));
    const Parallel parallel = threads_of(c);
    const float* o = last_input(c);  // rate, momentum, decay
    for (int64_t i = 0; i < count_; ++i) {
      const Tensor& variable = c->input(i);
      Tensor *w, *v;
      OP_REQUIRES_OK(c, c->allocate_output(i, variable.shape(), &w));
      OP_REQUIRES_OK(c, c->allocate_output(count_ + i, variable.shape(), &v));
      const float *w0 = in(c, i), *g = in(c, count_ + i), *v0 = in(c, 2 * count_ + i);
      float *w1 = data(w), *v1 = data(v);
      const auto run = [&](int64_t b, int64_t e) {
        kernels().sgd(w0 + b, g + b, v0 + b, e - b, o[0], o[1], o[2], nesterov_, w1 + b, v1 + b);
      };
      if (variable.NumElements() < 16384) run(0, variable.NumElements());
      else parallel(variable.NumElements(), 2, run);
    }
  }

 private:
  int64_t count_;
  bool nesterov_;
};

class AdamW : public OpKernel {
 public:
  explicit AdamW(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("count", &count_));
  }
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES_OK(c, check_groups(c, count_, 4, 7));
    const Parallel parallel = threads_of(c);
    const float* o = last_input(c);  // rate, beta1, beta2, epsilon, decay, correction1, correction2
    for (int64_t i = 0; i < count_; ++i) {
      const Tensor& variable = c->input(i);
      Tensor* out[3];
      for (int k = 0; k < 3; ++k) OP_REQUIRES_OK(c, c->allocate_output(k * count_ + i, variable.shape(), &out[k]));
      const float *w = in(c, i), *g = in(c, count_ + i), *m = in(c, 2 * count_ + i), *v = in(c, 3 * count_ + i);
      float *w1 = data(out[0]), *m1 = data(out[1]), *v1 = data(out[2]);
      parallel(variable.NumElements(), 8, [&](int64_t b, int64_t e) {
        kernels().adamw(w + b, g + b, m + b, v + b, e - b, o[0], o[1], o[2], o[3], o[4], o[5], o[6], w1 + b, m1 + b, v1 + b);
      });
    }
  }

 private:
  int64_t count_;
};

class Ema : public OpKernel {
 public:
  explicit Ema(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("count", &count_));
  }
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES_OK(c, check_groups(c, count_, 2, 1));
    const float decay = *last_input(c);
    const Parallel parallel = threads_of(c);
    for (int64_t i = 0; i < count_; ++i) {
      Tensor* out;
      OP_REQUIRES_OK(c, c->allocate_output(i, c->input(i).shape(), &out));
      const float *target = in(c, i), *source = in(c, count_ + i);
      float* result = data(out);
      parallel(out->NumElements(), 1, [&](int64_t b, int64_t e) {
        kernels().ema(target + b, source + b, e - b, decay, result + b);
      });
    }
  }

 private:
  int64_t count_;
};

class CorrelationRows : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor& zv = c->input(0);
    OP_REQUIRES(c, zv.dims() == 2 && zv.shape() == c->input(1).shape(), absl::InvalidArgumentError("SemisegCorrelationRows: shapes"));
    const int64_t rows = zv.dim_size(0), channels = zv.dim_size(1);
    Tensor *loss, *gv, *ga;
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape({rows}), &loss));
    OP_REQUIRES_OK(c, c->allocate_output(1, zv.shape(), &gv));
    OP_REQUIRES_OK(c, c->allocate_output(2, zv.shape(), &ga));
    const float *v = in(c, 0), *a = in(c, 1);
    float *out = data(loss), *dv = data(gv), *da = data(ga);
    threads_of(c)(rows, 16 * channels, [&](int64_t b, int64_t e) { kernels().correlation_rows(v, a, b, e, channels, out, dv, da); });
  }
};

constexpr int64_t kSumParts = 16;

class SegmentationSums : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor& logits = c->input(0);
    const Tensor& labels = c->input(1);
    const int64_t channels = logits.dim_size(logits.dims() - 1), voxels = labels.NumElements();
    OP_REQUIRES(c, channels <= kMostClasses && logits.NumElements() == voxels * channels,
                absl::InvalidArgumentError("SemisegSegmentationSums: shapes"));
    const int32_t* y = labels.flat<int32_t>().data();
    for (int64_t i = 0; i < voxels; ++i)
      OP_REQUIRES(c, y[i] >= 0 && y[i] < channels,
                  absl::InvalidArgumentError("labels hold " + std::to_string(y[i]) + ", outside 0.." + std::to_string(channels - 1)));
    Tensor* out[5];
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape({}), &out[0]));
    for (int k = 1; k < 5; ++k) OP_REQUIRES_OK(c, c->allocate_output(k, TensorShape({channels}), &out[k]));
    const float* z = in(c, 0);
    const int64_t width = 1 + 4 * channels;
    std::vector<double> sums(kSumParts * width, 0.0);
    threads_of(c)(kSumParts, voxels * channels, [&](int64_t b, int64_t e) {
      for (int64_t part = b; part < e; ++part)
        kernels().segmentation_sums(z, y, voxels * part / kSumParts, voxels * (part + 1) / kSumParts, channels, sums.data() + part * width);
    });
    for (int64_t part = 1; part < kSumParts; ++part)
      for (int64_t k = 0; k < width; ++k) sums[k] += sums[part * width + k];
    out[0]->scalar<float>()() = static_cast<float>(sums[0]);
    for (int64_t ch = 0; ch < channels; ++ch)
      for (int k = 0; k < 4; ++k) data(out[k + 1])[ch] = static_cast<float>(sums[1 + 4 * ch + k]);
  }
};

// Inputs logits, labels, dCrossEntropy, dIntersection, dSquares, dSums.
class SegmentationSumsGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor& logits = c->input(0);
    const int64_t channels = logits.dim_size(logits.dims() - 1), voxels = c->input(1).NumElements();
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, logits.shape(), &out));
    const float* z = in(c, 0);
    const int32_t* y = c->input(1).flat<int32_t>().data();
    const float d = c->input(2).scalar<float>()();
    const float *di = in(c, 3), *dq = in(c, 4), *ds = in(c, 5);
    float* dz = data(out);
    threads_of(c)(voxels, 8 * channels, [&](int64_t b, int64_t e) {
      kernels().segmentation_gradient(z, y, b, e, channels, d, di, dq, ds, dz);
    });
  }
};

// cross_entropy CE + dice Dice of soft targets over the masked voxels, and its gradient in the logits.
class SoftTarget : public OpKernel {
 public:
  explicit SoftTarget(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("cross_entropy", &cross_entropy_));
    OP_REQUIRES_OK(c, c->GetAttr("dice", &dice_));
    OP_REQUIRES_OK(c, c->GetAttr("background", &background_));
    OP_REQUIRES_OK(c, c->GetAttr("smooth", &smooth_));
  }
  void Compute(OpKernelContext* c) override {
    const Tensor& logits = c->input(0);
    const int64_t channels = logits.dim_size(logits.dims() - 1), voxels = logits.NumElements() / std::max<int64_t>(1, channels);
    const float* mask = c->num_inputs() > 2 ? in(c, 2) : nullptr;
    OP_REQUIRES(c, channels <= kMostClasses && c->input(1).NumElements() == logits.NumElements() &&
                       (!mask || c->input(2).NumElements() == voxels),
                absl::InvalidArgumentError("SemisegSoftTarget: shapes"));
    Tensor *value, *gradient;
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape({}), &value));
    OP_REQUIRES_OK(c, c->allocate_output(1, logits.shape(), &gradient));
    const float *z = in(c, 0), *t = in(c, 1);
    const int64_t width = 2 + 3 * channels;
    std::vector<double> sums(kSumParts * width, 0.0);
    threads_of(c)(kSumParts, voxels * channels, [&](int64_t b, int64_t e) {
      for (int64_t part = b; part < e; ++part)
        kernels().target_sums(z, t, mask, voxels * part / kSumParts, voxels * (part + 1) / kSumParts, channels, sums.data() + part * width);
    });
    for (int64_t part = 1; part < kSumParts; ++part)
      for (int64_t k = 0; k < width; ++k) sums[k] += sums[part * width + k];
    const double share = cross_entropy_ / std::max(1.0, sums[0]);
    double loss = -share * sums[1];
    std::vector<float> a(channels, 0.f), b(channels, 0.f);
    const int64_t first = background_ ? 0 : 1;
    for (int64_t k = first; k < channels; ++k) {
      const double *own = sums.data() + 2 + 3 * k, weight = dice_ / (channels - first);
      const double both = 2 * own[0] + smooth_, size = own[1] + own[2] + smooth_;
      loss += weight * (1 - both / size);
      a[k] = static_cast<float>(-2 * weight / size);
      b[k] = static_cast<float>(weight * both / size / size);
    }
    value->scalar<float>()() = static_cast<float>(loss);
    float* dz = data(gradient);
    threads_of(c)(voxels, 8 * channels, [&](int64_t begin, int64_t end) {
      kernels().target_gradient(z, t, mask, begin, end, channels, a.data(), b.data(), static_cast<float>(share), dz);
    });
  }

 private:
  float cross_entropy_, dice_, smooth_;
  bool background_;
};

std::vector<int64_t> leading(const TensorShape& shape, int count) {
  std::vector<int64_t> sizes(count);
  for (int i = 0; i < count; ++i) sizes[i] = shape.dim_size(i);
  return sizes;
}

// Product over the last two axes; the axes before them are the same, or those of one input have size 1.
class MatMul : public OpKernel {
 public:
  explicit MatMul(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("transpose_a", &transpose_a_));
    OP_REQUIRES_OK(c, c->GetAttr("transpose_b", &transpose_b_));
  }
  void Compute(OpKernelContext* c) override {
    const Tensor &a = c->input(0), &b = c->input(1);
    const int rank = a.dims();
    OP_REQUIRES(c, rank >= 2 && b.dims() == rank, absl::InvalidArgumentError("SemisegMatMul: ranks"));
    MatrixProduct s{1, 1, a.dim_size(rank - 2), b.dim_size(rank - 1), a.dim_size(rank - 1), transpose_a_, transpose_b_};
    if (transpose_a_) std::swap(s.rows, s.depth);
    if (transpose_b_) s.columns = b.dim_size(rank - 2);
    const int64_t depth = b.dim_size(transpose_b_ ? rank - 1 : rank - 2);
    TensorShape shape;
    for (int i = 0; i < rank - 2; ++i) {
      s.a_batch *= a.dim_size(i);
      s.b_batch *= b.dim_size(i);
      shape.AddDim(std::max(a.dim_size(i), b.dim_size(i)));
    }
    const bool fits = s.a_batch == 1 || s.b_batch == 1 || leading(a.shape(), rank - 2) == leading(b.shape(), rank - 2);
    OP_REQUIRES(c, depth == s.depth && fits && a.NumElements() > 0 && b.NumElements() > 0, absl::InvalidArgumentError("SemisegMatMul: shapes"));
    shape.AddDim(s.rows);
    shape.AddDim(s.columns);
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &out));
    kernels().matrix_product(s, in(c, 0), in(c, 1), nullptr, data(out), threads_of(c));
  }

 private:
  bool transpose_a_, transpose_b_;
};

// x [..., in] by weight [out, in], plus bias [out] if there is one.
class Linear : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor &x = c->input(0), &w = c->input(1);
    const int64_t inputs = w.dim_size(1), outputs = w.dim_size(0);
    const float* bias = c->num_inputs() > 2 ? in(c, 2) : nullptr;
    OP_REQUIRES(c, x.dim_size(x.dims() - 1) == inputs && (!bias || c->input(2).NumElements() == outputs), absl::InvalidArgumentError("SemisegLinear: shapes"));
    TensorShape shape = x.shape();
    shape.set_dim(x.dims() - 1, outputs);
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, shape, &out));
    if (out->NumElements() == 0) return;
    kernels().matrix_product({1, 1, x.NumElements() / inputs, outputs, inputs, false, true}, in(c, 0), in(c, 1), bias, data(out), threads_of(c));
  }
};

// Inputs dy, x, weight.
class LinearGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const Tensor &dy = c->input(0), &x = c->input(1), &w = c->input(2);
    const int64_t inputs = w.dim_size(1), outputs = w.dim_size(0), rows = x.NumElements() / inputs;
    OP_REQUIRES(c, x.dim_size(x.dims() - 1) == inputs && dy.NumElements() == rows * outputs && rows > 0, absl::InvalidArgumentError("SemisegLinearGradient: shapes"));
    Tensor *dx, *dw, *db;
    OP_REQUIRES_OK(c, c->allocate_output(0, x.shape(), &dx));
    OP_REQUIRES_OK(c, c->allocate_output(1, w.shape(), &dw));
    OP_REQUIRES_OK(c, c->allocate_output(2, TensorShape({outputs}), &db));
    const Parallel parallel = threads_of(c);
    kernels().matrix_product({1, 1, rows, inputs, outputs, false, false}, in(c, 0), in(c, 2), nullptr, data(dx), parallel);
    kernels().matrix_product({1, 1, outputs, inputs, rows, true, false}, in(c, 0), in(c, 1), nullptr, data(dw), parallel);
    kernels().channel_sums(in(c, 0), rows, outputs, data(db), parallel);
  }
};

// Windows that tile the volume; `window` [d, h, w]. Inputs x, or dy and x.
template <bool gradient>
class MaxPool : public OpKernel {
 public:
  explicit MaxPool(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("window", &window_)); }
  void Compute(OpKernelContext* c) override {
    const Tensor& x = c->input(gradient ? 1 : 0);
    const int rank = x.dims();
    OP_REQUIRES(c, (rank == 4 || rank == 5) && window_.size() == 3 && window_[0] * window_[1] * window_[2] <= 64,
                absl::InvalidArgumentError("SemisegMaxPool: window"));
    PoolShape s{x.dim_size(0), {1, 1, 1}, {1, 1, 1}, x.dim_size(rank - 1)};
    TensorShape pooled = x.shape();
    for (int axis = 1; axis < rank - 1; ++axis) {
      const int i = axis + 4 - rank;
      s.from[i] = x.dim_size(axis), s.window[i] = window_[i];
      OP_REQUIRES(c, s.window[i] > 0 && s.from[i] % s.window[i] == 0, absl::InvalidArgumentError("SemisegMaxPool: sizes"));
      pooled.set_dim(axis, s.from[i] / s.window[i]);
    }
    OP_REQUIRES(c, !gradient || c->input(0).shape() == pooled, absl::InvalidArgumentError("SemisegMaxPool: gradient"));
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, gradient ? x.shape() : pooled, &out));
    if (out->NumElements() == 0) return;
    if (gradient) kernels().max_pool_gradient(s, in(c, 1), in(c, 0), data(out), threads_of(c));
    else kernels().max_pool(s, in(c, 0), data(out), threads_of(c));
  }

 private:
  std::vector<int64_t> window_;
};

// Resizes the spatial axes of [n, (d,) h, w, c]; `shape` is the result's, `rule` a ResizeRule. The gradient's input is dy,
// its result the shape of x.
template <bool gradient>
class Resize : public OpKernel {
 public:
  explicit Resize(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("shape", &shape_));
    OP_REQUIRES_OK(c, c->GetAttr("rule", &rule_));
  }
  void Compute(OpKernelContext* c) override {
    const TensorShape& given = c->input(0).shape();
    const TensorShape result(absl::Span<const int64_t>(shape_.data(), shape_.size()));
    const int rank = given.dims();
    OP_REQUIRES(c, (rank == 4 || rank == 5) && result.dims() == rank && given.dim_size(0) == result.dim_size(0) &&
                       given.dim_size(rank - 1) == result.dim_size(rank - 1),
                absl::InvalidArgumentError("SemisegResize: shapes"));
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, result, &out));
    if (out->NumElements() == 0) return;
    OP_REQUIRES(c, given.num_elements() > 0, absl::InvalidArgumentError("SemisegResize: nothing to resize"));
    ResizeShape s{given.dim_size(0), {1, 1, 1}, {1, 1, 1}, given.dim_size(rank - 1), static_cast<ResizeRule>(rule_)};
    for (int axis = 1; axis < rank - 1; ++axis) {
      s.from[axis + 4 - rank] = (gradient ? result : given).dim_size(axis);
      s.to[axis + 4 - rank] = (gradient ? given : result).dim_size(axis);
    }
    (gradient ? kernels().resize_gradient : kernels().resize)(s, in(c, 0), data(out), threads_of(c));
  }

 private:
  std::vector<int64_t> shape_;
  int64_t rule_;
};

#define SEMISEG_KERNEL(name, type) REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), type)

REGISTER_OP("SemisegConv3D").Input("x: float").Input("filter: float").Output("y: float")
    .Attr("stride: int").Attr("padding: list(int)").Attr("shape: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegConv3D", ConvForward);
REGISTER_OP("SemisegConv3DInputGradient").Input("dy: float").Input("filter: float").Output("dx: float")
    .Attr("stride: int").Attr("padding: list(int)").Attr("shape: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegConv3DInputGradient", ConvInputGradient);
REGISTER_OP("SemisegConv3DFilterGradient").Input("x: float").Input("dy: float").Output("df: float")
    .Attr("stride: int").Attr("padding: list(int)").Attr("shape: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegConv3DFilterGradient", ConvFilterGradient);
REGISTER_OP("SemisegNorm").Input("x: float").Input("gamma: float").Input("beta: float").Output("y: float").Output("mean: float").Output("inverse: float")
    .Attr("epsilon: float").Attr("groups: int").Attr("relu: bool").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegNorm", NormForward);
REGISTER_OP("SemisegNormGradient").Input("dy: float").Input("x: float").Input("gamma: float").Input("beta: float").Input("mean: float").Input("inverse: float")
    .Output("dx: float").Output("dgamma: float").Output("dbeta: float")
    .Attr("epsilon: float").Attr("groups: int").Attr("relu: bool").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegNormGradient", NormGradient);
REGISTER_OP("SemisegReluGradient").Input("dy: float").Input("y: float").Output("dx: float").Attr("slope: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegReluGradient", ReluGradient);
REGISTER_OP("SemisegGelu").Input("x: float").Output("y: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegGelu", Gelu);
REGISTER_OP("SemisegGeluGradient").Input("dy: float").Input("x: float").Output("dx: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegGeluGradient", GeluGradient);
REGISTER_OP("SemisegBinary").Input("full: float").Input("small: float").Output("y: float")
    .Attr("operation: int").Attr("mid: int").Attr("inner: int").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegBinary", BinaryOperation);
REGISTER_OP("SemisegBroadcast").Input("x: float").Output("y: float").Attr("shape: list(int)").Attr("mid: int").Attr("inner: int")
    .SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegBroadcast", Broadcast);
REGISTER_OP("SemisegReshape").Input("x: float").Output("y: float").Attr("shape: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegReshape", Reshape);
REGISTER_OP("SemisegSoftmax").Input("x: float").Output("y: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSoftmax", Softmax);
REGISTER_OP("SemisegSum").Input("x: float").Output("y: float").Attr("rows: bool").Attr("outer: int").Attr("shape: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSum", Sum);
REGISTER_OP("SemisegSgd").Input("inputs: total * float").Output("outputs: results * float")
    .Attr("total: int >= 1").Attr("results: int >= 1").Attr("count: int").Attr("nesterov: bool")
    .SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSgd", Sgd);
REGISTER_OP("SemisegAdamW").Input("inputs: total * float").Output("outputs: results * float")
    .Attr("total: int >= 1").Attr("results: int >= 1").Attr("count: int").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegAdamW", AdamW);
REGISTER_OP("SemisegEma").Input("inputs: total * float").Output("outputs: results * float")
    .Attr("total: int >= 1").Attr("results: int >= 1").Attr("count: int").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegEma", Ema);
REGISTER_OP("SemisegCorrelationRows").Input("zv: float").Input("za: float").Output("loss: float").Output("gv: float").Output("ga: float")
    .SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegCorrelationRows", CorrelationRows);
REGISTER_OP("SemisegSegmentationSums").Input("logits: float").Input("labels: int32")
    .Output("cross_entropy: float").Output("intersection: float").Output("squares: float").Output("sums: float").Output("counts: float")
    .SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSegmentationSums", SegmentationSums);
REGISTER_OP("SemisegSegmentationSumsGradient").Input("logits: float").Input("labels: int32").Input("d_cross_entropy: float")
    .Input("d_intersection: float").Input("d_squares: float").Input("d_sums: float").Output("d_logits: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSegmentationSumsGradient", SegmentationSumsGradient);
REGISTER_OP("SemisegResize").Input("x: float").Output("y: float").Attr("shape: list(int)").Attr("rule: int").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegResize", Resize<false>);
REGISTER_OP("SemisegResizeGradient").Input("dy: float").Output("dx: float").Attr("shape: list(int)").Attr("rule: int").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegResizeGradient", Resize<true>);
REGISTER_OP("SemisegSoftTarget").Input("logits: float").Input("target: float").Input("mask: masks * float").Attr("masks: int >= 0")
    .Output("loss: float").Output("d_logits: float").Attr("cross_entropy: float").Attr("dice: float").Attr("smooth: float").Attr("background: bool").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegSoftTarget", SoftTarget);
REGISTER_OP("SemisegMatMul").Input("a: float").Input("b: float").Output("y: float").Attr("transpose_a: bool").Attr("transpose_b: bool").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegMatMul", MatMul);
REGISTER_OP("SemisegLinear").Input("x: float").Input("weight: float").Input("bias: biases * float").Output("y: float").Attr("biases: int >= 0").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegLinear", Linear);
REGISTER_OP("SemisegLinearGradient").Input("dy: float").Input("x: float").Input("weight: float")
    .Output("dx: float").Output("dweight: float").Output("dbias: float").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegLinearGradient", LinearGradient);
REGISTER_OP("SemisegMaxPool").Input("x: float").Output("y: float").Attr("window: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegMaxPool", MaxPool<false>);
REGISTER_OP("SemisegMaxPoolGradient").Input("dy: float").Input("x: float").Output("dx: float").Attr("window: list(int)").SetShapeFn(unknown_shapes);
SEMISEG_KERNEL("SemisegMaxPoolGradient", MaxPool<true>);

}  // namespace
}  // namespace semiseg
