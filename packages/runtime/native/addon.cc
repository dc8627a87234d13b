// Loading this addon registers the operators with the TensorFlow that the binding has loaded; it exports which
// instruction set the kernels use, and takes what operators on a CUDA device are compiled from.
#include <node_api.h>

#include <string>

#include "cuda/source.h"
#include "kernels.h"

static std::string text_of(napi_env env, napi_value value) {
  size_t size = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) return "";
  std::string text(size + 1, '\0');
  napi_get_value_string_utf8(env, value, &text[0], size + 1, &size);
  text.resize(size);
  return text;
}

// setCuda(path of the run-time compiler, source of the kernels)
static napi_value set_cuda(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value given[2];
  napi_get_cb_info(env, info, &count, given, nullptr, nullptr);
  if (count == 2) semiseg::cuda_source() = {text_of(env, given[0]), text_of(env, given[1])};
  return nullptr;
}

static napi_value initialise(napi_env env, napi_value exports) {
  napi_value name, function;
  napi_create_string_utf8(env, semiseg::kernels().name, NAPI_AUTO_LENGTH, &name);
  napi_set_named_property(env, exports, "instructionSet", name);
  napi_create_function(env, "setCuda", NAPI_AUTO_LENGTH, set_cuda, nullptr, &function);
  napi_set_named_property(env, exports, "setCuda", function);
  return exports;
}

NAPI_MODULE(semiseg_ops, initialise)
