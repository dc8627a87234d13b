// The emulator as a Node addon that runs the launch sequences. Memory that kernels get lies before a page that cannot be
// touched and holds NaN where nothing was written, so that a read of what nobody wrote or of what is past an end shows.
#include <node_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda-emulator.h"

#define SEMISEG_KERNEL(kernel) (&::semiseg_cuda::kernel)
#include "cuda/launch.h"

namespace emulator {

// Memory in front of a page that cannot be touched, aligned as the kernels may take it to be. What that leaves between the
// two holds NaN and must go on to.
class Guarded {
 public:
  explicit Guarded(size_t bytes) {
    const size_t page = sysconf(_SC_PAGESIZE);
    room_ = (bytes + 15 + page) / page * page;
    base_ = static_cast<char*>(mmap(nullptr, room_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) fail("no memory");
    mprotect(base_ + room_, page, PROT_NONE);
    std::memset(base_, 0xff, room_);
    slack_ = (16 - bytes % 16) % 16;
    data = base_ + room_ - bytes - slack_;
    all_ = room_ + page;
  }
  ~Guarded() {
    for (size_t i = 0; i < slack_; ++i)
      if (base_[room_ - 1 - i] != '\xff') fail("a kernel wrote past an end");
    munmap(base_, all_);
  }
  Guarded(const Guarded&) = delete;
  char* data;

 private:
  char* base_;
  size_t room_, slack_, all_;
};

class Launcher {
 public:
  explicit Launcher(bool backwards) : backwards_(backwards) {}

  template <typename... P, typename... A>
  void launch(void (*kernel)(P...), semiseg_cuda::Index blocks, A... arguments) {
    static_assert((std::is_same_v<P, A> && ...), "the arguments must be what the kernel takes");
    run_blocks(blocks, [&] { kernel(arguments...); }, backwards_);
  }

  float* workspace(semiseg_cuda::Index count) {
    workspaces_.push_back(std::make_unique<Guarded>(count * sizeof(float)));
    return reinterpret_cast<float*>(workspaces_.back()->data);
  }

 private:
  bool backwards_;
  std::vector<std::unique_ptr<Guarded>> workspaces_;
};

}  // namespace emulator

// run(operator, inputs, sizes of the results, integers, floats, backwards) -> results.
namespace {

using emulator::Guarded;
using semiseg_cuda::Index;
using semiseg_cuda::Updates;

struct Call {
  std::vector<std::unique_ptr<Guarded>> in, out;
  std::vector<size_t> in_size, out_size;
  std::vector<Index> ints;
  std::vector<float> floats;
  const float* i(size_t k) const { return reinterpret_cast<const float*>(in.at(k)->data); }
  float* o(size_t k) const { return reinterpret_cast<float*>(out.at(k)->data); }
};

// Of arrays in `ins` groups of `count`.
auto filler(const Call& c, Index count, int ins, int outs) {
  return [&c, count, ins, outs](Updates& u, int slot, Index i) {
    for (int k = 0; k < ins; ++k) u.in[k][slot] = c.i(k * count + i);
    for (int k = 0; k < outs; ++k) u.out[k][slot] = c.o(k * count + i);
    u.size[slot] = c.in_size[i] / sizeof(float);
  };
}

void run_operator(const std::string& op, const Call& c, emulator::Launcher& run) {
  const auto n = [&](size_t k) { return c.ints.at(k); };
  const Index count = c.out_size.empty() ? 0 : c.out_size[0] / sizeof(float);
  if (op == "SemisegNorm")
    semiseg_cuda::norm_forward(run, c.i(0), c.i(1), c.i(2), n(0), n(1), n(2), n(3), c.floats.at(0), n(4) != 0, c.o(0), c.o(1), c.o(2));
  else if (op == "SemisegNormGradient")
    semiseg_cuda::norm_gradient(run, c.i(0), c.i(1), c.i(2), c.i(3), c.i(4), c.i(5), n(0), n(1), n(2), n(3), n(4) != 0, c.o(0), c.o(1), c.o(2));
  else if (op == "SemisegReluGradient")
    semiseg_cuda::relu_gradient(run, c.i(0), c.i(1), count, c.floats.at(0), c.o(0));
  else if (op == "SemisegGelu")
    semiseg_cuda::gelu(run, c.i(0), count, c.o(0));
  else if (op == "SemisegGeluGradient")
    semiseg_cuda::gelu_gradient(run, c.i(0), c.i(1), count, c.o(0));
  else if (op == "SemisegSgd")
    semiseg_cuda::sgd(run, n(0), filler(c, n(0), 3, 2), c.i(3 * n(0)), n(1) != 0);
  else if (op == "SemisegAdamW")
    semiseg_cuda::adamw(run, n(0), filler(c, n(0), 4, 3), c.i(4 * n(0)));
  else if (op == "SemisegEma")
    semiseg_cuda::ema(run, n(0), filler(c, n(0), 2, 1), c.i(2 * n(0)));
  else if (op == "SemisegSegmentationSums")
    semiseg_cuda::segmentation_sums(run, c.i(0), reinterpret_cast<const int*>(c.i(1)), n(0), static_cast<int>(n(1)),
                                    {c.o(0), c.o(1), c.o(2), c.o(3), c.o(4)});
  else if (op == "SemisegSegmentationSumsGradient")
    semiseg_cuda::segmentation_gradient(run, c.i(0), reinterpret_cast<const int*>(c.i(1)), n(0), static_cast<int>(n(1)),
                                        {c.i(2), c.i(3), c.i(4), c.i(5)}, c.o(0));
  else
    emulator::fail("no such operator");
}

template <typename Each>
void each_of(napi_env env, napi_value array, const Each& each) {
  uint32_t count = 0;
  napi_get_array_length(env, array, &count);
  for (uint32_t k = 0; k < count; ++k) {
    napi_value item;
    napi_get_element(env, array, k, &item);
    each(item);
  }
}

napi_value run(napi_env env, napi_callback_info info) {
  size_t count = 6;
  napi_value given[6];
  napi_get_cb_info(env, info, &count, given, nullptr, nullptr);
  char op[64];
  size_t length;
  napi_get_value_string_utf8(env, given[0], op, sizeof op, &length);
  Call call;
  each_of(env, given[1], [&](napi_value item) {
    size_t size;
    void* data;
    napi_get_typedarray_info(env, item, nullptr, &size, &data, nullptr, nullptr);
    call.in_size.push_back(size * 4);
    call.in.push_back(std::make_unique<Guarded>(size * 4));
    if (size > 0) std::memcpy(call.in.back()->data, data, size * 4);
  });
  const auto number = [&](napi_value item) {
    double value;
    napi_get_value_double(env, item, &value);
    return value;
  };
  each_of(env, given[2], [&](napi_value item) {
    call.out_size.push_back(static_cast<size_t>(number(item)) * 4);
    call.out.push_back(std::make_unique<Guarded>(call.out_size.back()));
  });
  each_of(env, given[3], [&](napi_value item) { call.ints.push_back(static_cast<Index>(number(item))); });
  each_of(env, given[4], [&](napi_value item) { call.floats.push_back(static_cast<float>(number(item))); });
  bool backwards = false;
  napi_get_value_bool(env, given[5], &backwards);
  emulator::Launcher launcher(backwards);
  run_operator(op, call, launcher);

  napi_value result;
  napi_create_array(env, &result);
  for (size_t k = 0; k < call.out.size(); ++k) {
    void* data;
    napi_value buffer, array;
    napi_create_arraybuffer(env, call.out_size[k], &data, &buffer);
    if (call.out_size[k] > 0) std::memcpy(data, call.out[k]->data, call.out_size[k]);
    napi_create_typedarray(env, napi_float32_array, call.out_size[k] / 4, buffer, 0, &array);
    napi_set_element(env, result, static_cast<uint32_t>(k), array);
  }
  return result;
}

napi_value initialise(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, nullptr, &function);
  napi_set_named_property(env, exports, "run", function);
  return exports;
}

}  // namespace

NAPI_MODULE(cuda_emulator, initialise)
