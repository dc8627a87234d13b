// What the operators of the CPU and of a CUDA device share: their checks, and what they allocate.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tensorflow/core/framework/op_kernel.h"

namespace semiseg {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

inline const float* in(OpKernelContext* context, int i) { return context->input(i).flat<float>().data(); }
inline float* data(Tensor* t) { return t->flat<float>().data(); }

// Attributes, sizes and results of the two norm operators.
class NormBase : public OpKernel {
 public:
  explicit NormBase(OpKernelConstruction* c) : OpKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("epsilon", &epsilon_));
    OP_REQUIRES_OK(c, c->GetAttr("groups", &groups_));
    OP_REQUIRES_OK(c, c->GetAttr("relu", &relu_));
  }

 protected:
  struct Sizes {
    int64_t n, rows, channels, groups;
  };
  // Below 0 groups: every row of the last axis by itself.
  Sizes sizes(const Tensor& x) const {
    const int64_t channels = x.dim_size(x.dims() - 1), all = x.NumElements() / std::max<int64_t>(1, channels);
    if (groups_ < 0) return {all, 1, channels, 1};
    return {x.dim_size(0), all / std::max<int64_t>(1, x.dim_size(0)), channels, groups_};
  }
  absl::Status allocate_forward(OpKernelContext* c, const Sizes& s, Tensor** y, Tensor** mean, Tensor** inverse) const {
    const TensorShape statistics = groups_ == 0 ? TensorShape({s.channels}) : groups_ < 0 ? TensorShape({s.n}) : TensorShape({s.n, groups_});
    TF_RETURN_IF_ERROR(c->allocate_output(0, c->input(0).shape(), y));
    TF_RETURN_IF_ERROR(c->allocate_output(1, statistics, mean));
    return c->allocate_output(2, statistics, inverse);
  }
  absl::Status allocate_gradient(OpKernelContext* c, const Sizes& s, Tensor** dx, Tensor** dgamma, Tensor** dbeta) const {
    TF_RETURN_IF_ERROR(c->allocate_output(0, c->input(1).shape(), dx));
    TF_RETURN_IF_ERROR(c->allocate_output(1, TensorShape({s.channels}), dgamma));
    return c->allocate_output(2, TensorShape({s.channels}), dbeta);
  }
  float epsilon_;
  int64_t groups_;
  bool relu_;
};

// The numbers of an update are its last input, not attributes: TensorFlow keeps an operator for every set of attributes it
// has seen, so a learning rate that changes with the step would fill the memory.
inline const float* last_input(OpKernelContext* c) { return in(c, c->num_inputs() - 1); }

// Inputs in `roles` groups of `count` arrays, where arrays of the same place have the same size, then `numbers` numbers.
inline absl::Status check_groups(OpKernelContext* c, int64_t count, int64_t roles, int64_t numbers) {
  if (c->num_inputs() != roles * count + 1 || c->input(roles * count).NumElements() != numbers)
    return absl::InvalidArgumentError("an update has a wrong number of inputs");
  for (int64_t i = 0; i < roles * count; ++i)
    if (c->input(i).shape() != c->input(i % count).shape())
      return absl::InvalidArgumentError("an update got arrays of different shapes");
  return absl::OkStatus();
}

// Classes that the segmentation sums take at most.
constexpr int64_t kMostClasses = 64;

}  // namespace semiseg
