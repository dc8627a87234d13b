// Loading this addon registers the operators with the TensorFlow that the binding has loaded; it exports which
// instruction set the kernels use.
#include <node_api.h>

#include "kernels.h"

static napi_value initialise(napi_env env, napi_value exports) {
  napi_value name;
  napi_create_string_utf8(env, semiseg::kernels().name, NAPI_AUTO_LENGTH, &name);
  napi_set_named_property(env, exports, "instructionSet", name);
  return exports;
}

NAPI_MODULE(semiseg_ops, initialise)
