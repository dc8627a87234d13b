// A stand-in for the CUDA driver, whose device is the emulator: the operators' own calls reach it through its library's name.
// As a Node addon it says how many kernels were launched, fails when told to, and changes to another device.
#include <node_api.h>

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "cuda-emulator.h"

namespace {

int launches = 0, failure = 0, device_number = 0;

// Calls a kernel with what `parameters` point to.
template <typename... P, size_t... I>
void call(void (*kernel)(P...), void** parameters, std::index_sequence<I...>) {
  kernel(*static_cast<P*>(parameters[I])...);
}

using Kernel = std::function<void(void**)>;

template <typename... P>
Kernel entry(void (*kernel)(P...)) {
  return [kernel](void** parameters) { call(kernel, parameters, std::index_sequence_for<P...>()); };
}

#define SEMISEG_ENTRY_OF(name) {#name, entry(&semiseg_cuda::name)},
#define SEMISEG_PACKS_OF(V)                          \
  SEMISEG_ENTRY_OF(semiseg_norm_statistics_##V)      \
  SEMISEG_ENTRY_OF(semiseg_norm_apply_##V)           \
  SEMISEG_ENTRY_OF(semiseg_norm_gradient_sums_##V)   \
  SEMISEG_ENTRY_OF(semiseg_norm_gradient_apply_##V)  \
  SEMISEG_ENTRY_OF(semiseg_relu_gradient_##V)        \
  SEMISEG_ENTRY_OF(semiseg_gelu_##V)                 \
  SEMISEG_ENTRY_OF(semiseg_gelu_gradient_##V)
#define SEMISEG_CLASSES_OF(M) \
  SEMISEG_ENTRY_OF(semiseg_segmentation_sums_##M) SEMISEG_ENTRY_OF(semiseg_segmentation_gradient_##M)

std::map<std::string, Kernel>& kernels() {
  static std::map<std::string, Kernel> all = {
      SEMISEG_FOR_PACKS(SEMISEG_PACKS_OF) SEMISEG_FOR_CLASSES(SEMISEG_CLASSES_OF)
      SEMISEG_ENTRY_OF(semiseg_norm_finish) SEMISEG_ENTRY_OF(semiseg_norm_gradient_finish)
      SEMISEG_ENTRY_OF(semiseg_norm_rows) SEMISEG_ENTRY_OF(semiseg_norm_rows_gradient)
      SEMISEG_ENTRY_OF(semiseg_sgd) SEMISEG_ENTRY_OF(semiseg_adamw) SEMISEG_ENTRY_OF(semiseg_ema)
      SEMISEG_ENTRY_OF(semiseg_segmentation_finish)
  };
  return all;
}

napi_value take_launches(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_int32(env, launches, &result);
  launches = 0;
  return result;
}

// Sets the number that the function was made with.
napi_value set_number(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value given[1];
  void* number;
  napi_get_cb_info(env, info, &count, given, nullptr, &number);
  napi_get_value_int32(env, given[0], static_cast<int*>(number));
  return nullptr;
}

napi_value initialise(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "launches", NAPI_AUTO_LENGTH, take_launches, nullptr, &function);
  napi_set_named_property(env, exports, "launches", function);
  napi_create_function(env, "fail", NAPI_AUTO_LENGTH, set_number, &failure, &function);
  napi_set_named_property(env, exports, "fail", function);
  napi_create_function(env, "use", NAPI_AUTO_LENGTH, set_number, &device_number, &function);
  napi_set_named_property(env, exports, "use", function);
  return exports;
}

}  // namespace

extern "C" {

int cuCtxGetCurrent(void** context) {
  static int contexts[8];
  *context = &contexts[device_number];
  return 0;
}

int cuCtxGetDevice(int* device) {
  *device = device_number;
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
  // Compute capability 9.0.
  if (attribute != 75 && attribute != 76) return 1;
  *value = attribute == 75 ? 9 : 0;
  return 0;
}

int cuModuleLoadData(void** module, const void* image) {
  static int only;
  *module = &only;
  // CUDA_ERROR_INVALID_IMAGE unless it is machine code.
  return std::memcmp(image, "\x7f" "ELF", 4) == 0 ? 0 : 200;
}

int cuModuleGetFunction(void** function, void*, const char* name) {
  const auto found = kernels().find(name);
  if (found == kernels().end()) return 500;
  *function = &found->second;
  return 0;
}

int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz, unsigned shared,
                   void* stream, void** parameters, void** extra) {
  if (failure != 0) return failure;
  // CUDA_ERROR_INVALID_VALUE for anything that is not meant.
  if (x == 0 || y != 1 || z != 1 || threads != semiseg_cuda::kThreads || ty != 1 || tz != 1 || shared != 0 || stream || extra) return 1;
  emulator::run_blocks(x, [&] { (*static_cast<Kernel*>(function))(parameters); }, false);
  ++launches;
  return 0;
}

int cuGetErrorString(int code, const char** text) {
  *text = code == 700 ? "an illegal memory access was encountered" : "some error";
  return 0;
}

}  // extern "C"

NAPI_MODULE(cuda_driver, initialise)
