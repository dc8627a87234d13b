// The operators on a CUDA device: kernels compiled on first use and launched through the driver on TensorFlow's own stream.
// Built only beside the CUDA library. Neither CUDA headers nor a CUDA compiler are needed, here or at setup.
#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/compile.h"
#include "cuda/signatures.h"
#include "cuda/source.h"
#include "operators.h"
#include "xla/stream_executor/stream.h"

namespace semiseg {
namespace {

#ifndef SEMISEG_CUDA_ON_CPU
#define SEMISEG_CUDA(name, type) REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU), type)

// The stream that TensorFlow's own kernels of this call are on. Returns whether there is one.
bool stream_of(OpKernelContext* context, void** stream) {
  auto* device = context->op_device_context();
  if (!device || !device->stream()) return false;
  *stream = device->stream()->platform_specific_handle().stream;
  return true;
}
#else
// For tests: on the CPU device, before its own operators, with a stand-in for the driver that runs kernels there.
#define SEMISEG_CUDA(name, type) REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU).Priority(1), type)

bool stream_of(OpKernelContext*, void** stream) {
  *stream = nullptr;
  return true;
}
#endif

// A kernel's name and, as its type, what it takes. The kernels' addresses exist on the device only.
template <typename Signature>
struct Kernel {
  const char* name;
};
#define SEMISEG_KERNEL(kernel) (::semiseg::Kernel<decltype(::semiseg_cuda::kernel)>{#kernel})

// The part of the driver's interface that is used, with the names and values of cuda.h.
struct Driver {
  using Function = void*;
  int (*context)(void**);
  int (*device)(int*);
  int (*attribute)(int*, int, int);
  int (*load)(void**, const void*);
  int (*find)(Function*, void*, const char*);
  int (*launch)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
  int (*explain)(int, const char**);
  std::string failure;

  Driver() {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      failure = std::string("the CUDA driver does not load: ") + dlerror();
      return;
    }
    const auto take = [&](const char* name, auto** function) {
      *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(dlsym(library, name));
      if (!*function) failure = std::string("the CUDA driver has no function ") + name;
    };
    take("cuCtxGetCurrent", &context);
    take("cuCtxGetDevice", &device);
    take("cuDeviceGetAttribute", &attribute);
    take("cuModuleLoadData", &load);
    take("cuModuleGetFunction", &find);
    take("cuLaunchKernel", &launch);
    take("cuGetErrorString", &explain);
  }

  std::string error(const char* step, int code) const {
    const char* text = nullptr;
    explain(code, &text);
    return std::string(step) + ": " + (text ? text : "unknown error") + " (" + std::to_string(code) + ")";
  }
};

const Driver& driver() {
  static const Driver* const only = new Driver;
  return *only;
}

// The kernels as loaded into one device's context, or why they are not.
struct Module {
  void* handle = nullptr;
  std::string failure;
  std::map<std::string, void*> functions;
};

void load_module(Module* module) {
  const Driver& cuda = driver();
  int device, major = 0, minor = 0, code = cuda.device(&device);
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  if (code == 0) code = cuda.attribute(&major, kMajor, device);
  if (code == 0) code = cuda.attribute(&minor, kMinor, device);
  if (code != 0) {
    module->failure = cuda.error("asking the device's compute capability", code);
    return;
  }
  std::string image, log;
  module->failure = compile_cuda(cuda_source().nvrtc, cuda_source().text, major * 10 + minor, &image, &log);
  if (!module->failure.empty()) return;
  code = cuda.load(&module->handle, image.data());
  if (code != 0) module->failure = cuda.error("loading the compiled kernels", code);
}

// The module of the context that is current, loaded the first time.
Module* current_module(std::string* failure) {
  // Held while a module is compiled: the second thread to come here must wait for it.
  static std::mutex* const mutex = new std::mutex;
  static std::map<void*, Module>* const modules = new std::map<void*, Module>;
  *failure = driver().failure;
  if (!failure->empty()) return nullptr;
  void* context = nullptr;
  const int code = driver().context(&context);
  if (code != 0 || !context) {
    *failure = code != 0 ? driver().error("asking for the context", code) : "no device context is current";
    return nullptr;
  }
  const std::lock_guard<std::mutex> lock(*mutex);
  const auto [entry, added] = modules->try_emplace(context);
  if (added) load_module(&entry->second);
  *failure = entry->second.failure;
  return failure->empty() ? &entry->second : nullptr;
}

// Launches the kernels of one call. After a failure nothing more is launched.
class Launcher {
 public:
  explicit Launcher(OpKernelContext* context) : context_(context) {
    module_ = current_module(&failure_);
    if (module_ && !stream_of(context, &stream_)) failure_ = "no stream to launch kernels on";
  }

  // On a failure the call fails, with its reason.
  ~Launcher() {
    if (!failure_.empty() && context_->status().ok())
      context_->CtxFailure(absl::InternalError(context_->op_kernel().type_string() + ": " + failure_));
  }
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  template <typename... P, typename... A>
  void launch(Kernel<void(P...)> kernel, semiseg_cuda::Index blocks, A... arguments) {
    static_assert((std::is_same_v<P, A> && ...), "the arguments must be what the kernel takes");
    if (!failure_.empty() || blocks == 0) return;
    if (blocks < 0 || blocks > 0x7fffffff) {
      failure_ = std::string(kernel.name) + ": the tensor is too large";
      return;
    }
    void* const function = find(kernel.name);
    if (!function) return;
    void* addresses[] = {static_cast<void*>(&arguments)...};
    const int code = driver().launch(function, static_cast<unsigned>(blocks), 1, 1, semiseg_cuda::kThreads, 1, 1, 0, stream_,
                                     addresses, nullptr);
    if (code != 0) failure_ = driver().error(kernel.name, code);
  }

  // From TensorFlow's allocator, which gives memory back in the order of the stream: after the kernels launched so far.
  float* workspace(semiseg_cuda::Index count) {
    if (!failure_.empty()) return nullptr;
    Tensor memory;
    const absl::Status status = context_->allocate_temp(tensorflow::DT_FLOAT, TensorShape({static_cast<int64_t>(count)}), &memory);
    if (!status.ok()) {
      failure_ = std::string(status.message());
      return nullptr;
    }
    workspaces_.push_back(memory);
    return data(&workspaces_.back());
  }

 private:
  void* find(const char* name) {
    static std::mutex* const mutex = new std::mutex;
    const std::lock_guard<std::mutex> lock(*mutex);
    void*& function = module_->functions[name];
    if (!function) {
      const int code = driver().find(&function, module_->handle, name);
      if (code != 0) failure_ = driver().error(name, code);
    }
    return function;
  }

  OpKernelContext* context_;
  Module* module_ = nullptr;
  void* stream_ = nullptr;
  std::string failure_;
  std::vector<Tensor> workspaces_;
};

}  // namespace
}  // namespace semiseg

#include "cuda/launch.h"

namespace semiseg {
namespace {

using semiseg_cuda::Index;
using semiseg_cuda::Updates;

class CudaNorm : public NormBase {
 public:
  using NormBase::NormBase;
  void Compute(OpKernelContext* c) override {
    const Sizes s = sizes(c->input(0));
    OP_REQUIRES_OK(c, check(c, s, 1));
    Tensor *y, *mean, *inverse;
    OP_REQUIRES_OK(c, allocate_forward(c, s, &y, &mean, &inverse));
    Launcher run(c);
    semiseg_cuda::norm_forward(run, in(c, 0), in(c, 1), in(c, 2), s.n, s.rows, s.channels, s.groups, epsilon_, relu_, data(y),
                               data(mean), data(inverse));
  }

 protected:
  // A kernel that reads past an end takes the whole process's device with it. `first` is gamma's place.
  absl::Status check(OpKernelContext* c, const Sizes& s, int first) const {
    const bool fits = s.groups >= 0 && (s.groups == 0 || s.channels % s.groups == 0) &&
                      c->input(first).NumElements() == s.channels && c->input(first + 1).NumElements() == s.channels;
    return fits ? absl::OkStatus() : absl::InvalidArgumentError("a norm's groups or parameters do not fit its channels");
  }
};

// Inputs dy, x, gamma, beta, mean, inverse.
class CudaNormGradient : public CudaNorm {
 public:
  using CudaNorm::CudaNorm;
  void Compute(OpKernelContext* c) override {
    const Sizes s = sizes(c->input(1));
    OP_REQUIRES_OK(c, check(c, s, 2));
    const int64_t statistics = s.groups == 0 ? s.channels : s.n * s.groups;
    OP_REQUIRES(c, c->input(0).shape() == c->input(1).shape() && c->input(4).NumElements() == statistics &&
                       c->input(5).NumElements() == statistics,
                absl::InvalidArgumentError("SemisegNormGradient: shapes"));
    Tensor *dx, *dgamma, *dbeta;
    OP_REQUIRES_OK(c, allocate_gradient(c, s, &dx, &dgamma, &dbeta));
    Launcher run(c);
    semiseg_cuda::norm_gradient(run, in(c, 0), in(c, 1), in(c, 2), in(c, 3), in(c, 4), in(c, 5), s.n, s.rows, s.channels,
                                s.groups, relu_, data(dx), data(dgamma), data(dbeta));
  }
};

class CudaReluGradient : public OpKernel {
 public:
  explicit CudaReluGradient(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("slope", &slope_)); }
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES(c, c->input(0).NumElements() == c->input(1).NumElements(), absl::InvalidArgumentError("SemisegReluGradient: shapes"));
    Tensor* dx;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &dx));
    Launcher run(c);
    semiseg_cuda::relu_gradient(run, in(c, 0), in(c, 1), dx->NumElements(), slope_, data(dx));
  }

 private:
  float slope_;
};

class CudaGelu : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    Tensor* y;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &y));
    Launcher run(c);
    semiseg_cuda::gelu(run, in(c, 0), y->NumElements(), data(y));
  }
};

// Inputs dy, x.
class CudaGeluGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    OP_REQUIRES(c, c->input(0).shape() == c->input(1).shape(), absl::InvalidArgumentError("SemisegGeluGradient: shapes"));
    Tensor* dx;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &dx));
    Launcher run(c);
    semiseg_cuda::gelu_gradient(run, in(c, 0), in(c, 1), dx->NumElements(), data(dx));
  }
};

// Updates of `count` arrays that have `ins` inputs and `outs` results each, and of which `numbers` numbers are the same.
class CudaUpdate : public OpKernel {
 public:
  explicit CudaUpdate(OpKernelConstruction* c) : OpKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("count", &count_)); }

 protected:
  template <typename Body>
  void update(OpKernelContext* c, int ins, int outs, int numbers, const Body& body) {
    OP_REQUIRES_OK(c, check_groups(c, count_, ins, numbers));
    std::vector<Tensor*> results(outs * count_);
    for (int64_t i = 0; i < outs * count_; ++i)
      OP_REQUIRES_OK(c, c->allocate_output(i, c->input(i % count_).shape(), &results[i]));
    Launcher run(c);
    const auto fill = [&](Updates& u, int slot, Index i) {
      for (int k = 0; k < ins; ++k) u.in[k][slot] = in(c, k * count_ + i);
      for (int k = 0; k < outs; ++k) u.out[k][slot] = data(results[k * count_ + i]);
      u.size[slot] = c->input(i).NumElements();
    };
    body(run, fill);
  }
  int64_t count_;
};

class CudaSgd : public CudaUpdate {
 public:
  explicit CudaSgd(OpKernelConstruction* c) : CudaUpdate(c) { OP_REQUIRES_OK(c, c->GetAttr("nesterov", &nesterov_)); }
  void Compute(OpKernelContext* c) override {
    update(c, 3, 2, 3, [&](Launcher& run, const auto& fill) { semiseg_cuda::sgd(run, count_, fill, last_input(c), nesterov_); });
  }

 private:
  bool nesterov_;
};

class CudaAdamW : public CudaUpdate {
 public:
  using CudaUpdate::CudaUpdate;
  void Compute(OpKernelContext* c) override {
    update(c, 4, 3, 7, [&](Launcher& run, const auto& fill) { semiseg_cuda::adamw(run, count_, fill, last_input(c)); });
  }
};

class CudaEma : public CudaUpdate {
 public:
  using CudaUpdate::CudaUpdate;
  void Compute(OpKernelContext* c) override {
    update(c, 2, 1, 1, [&](Launcher& run, const auto& fill) { semiseg_cuda::ema(run, count_, fill, last_input(c)); });
  }
};

// Channels of logits that meet labels, or 0 where they do not.
int64_t classes_of(OpKernelContext* c) {
  const Tensor& logits = c->input(0);
  const int64_t channels = logits.dims() > 0 ? logits.dim_size(logits.dims() - 1) : 0;
  return channels <= kMostClasses && logits.NumElements() == c->input(1).NumElements() * channels ? channels : 0;
}

class CudaSegmentationSums : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const int64_t channels = classes_of(c);
    OP_REQUIRES(c, channels > 0, absl::InvalidArgumentError("SemisegSegmentationSums: shapes"));
    Tensor* out[5];
    OP_REQUIRES_OK(c, c->allocate_output(0, TensorShape({}), &out[0]));
    for (int k = 1; k < 5; ++k) OP_REQUIRES_OK(c, c->allocate_output(k, TensorShape({channels}), &out[k]));
    Launcher run(c);
    semiseg_cuda::segmentation_sums(run, in(c, 0), c->input(1).flat<int32_t>().data(), c->input(1).NumElements(),
                                    static_cast<int>(channels), {data(out[0]), data(out[1]), data(out[2]), data(out[3]), data(out[4])});
  }
};

// Inputs logits, labels, dCrossEntropy, dIntersection, dSquares, dSums.
class CudaSegmentationSumsGradient : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* c) override {
    const int64_t channels = classes_of(c);
    OP_REQUIRES(c, channels > 0 && c->input(2).NumElements() == 1, absl::InvalidArgumentError("SemisegSegmentationSumsGradient: shapes"));
    for (int i = 3; i < 6; ++i)
      OP_REQUIRES(c, c->input(i).NumElements() == channels, absl::InvalidArgumentError("SemisegSegmentationSumsGradient: slopes"));
    Tensor* out;
    OP_REQUIRES_OK(c, c->allocate_output(0, c->input(0).shape(), &out));
    Launcher run(c);
    semiseg_cuda::segmentation_gradient(run, in(c, 0), c->input(1).flat<int32_t>().data(), c->input(1).NumElements(),
                                        static_cast<int>(channels), {in(c, 2), in(c, 3), in(c, 4), in(c, 5)}, data(out));
  }
};

SEMISEG_CUDA("SemisegNorm", CudaNorm);
SEMISEG_CUDA("SemisegNormGradient", CudaNormGradient);
SEMISEG_CUDA("SemisegReluGradient", CudaReluGradient);
SEMISEG_CUDA("SemisegGelu", CudaGelu);
SEMISEG_CUDA("SemisegGeluGradient", CudaGeluGradient);
SEMISEG_CUDA("SemisegSgd", CudaSgd);
SEMISEG_CUDA("SemisegAdamW", CudaAdamW);
SEMISEG_CUDA("SemisegEma", CudaEma);
SEMISEG_CUDA("SemisegSegmentationSums", CudaSegmentationSums);
SEMISEG_CUDA("SemisegSegmentationSumsGradient", CudaSegmentationSumsGradient);

}  // namespace
}  // namespace semiseg
