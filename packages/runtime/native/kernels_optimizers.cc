// Optimizer updates and moving averages. Compiled once per instruction set.
#include <cmath>

#include "kernels.h"
#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {
namespace {

void sgd(const float* variable, const float* gradient, const float* velocity, int64_t count, float rate, float momentum,
         float decay, bool nesterov, float* new_variable, float* new_velocity) {
  const float look_ahead = nesterov ? momentum : 0.f, own = nesterov ? 1.f : 0.f;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] + decay * variable[i];
    const float v = momentum * velocity[i] + g;
    new_velocity[i] = v;
    new_variable[i] = variable[i] - rate * (nesterov ? own * g + look_ahead * v : v);
  }
}

void adamw(const float* variable, const float* gradient, const float* first, const float* second, int64_t count,
           float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2,
           float* new_variable, float* new_first, float* new_second) {
  const float c1 = 1.f / correction1, c2 = 1.f / correction2;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = beta1 * first[i] + (1.f - beta1) * g;
    const float v = beta2 * second[i] + (1.f - beta2) * g * g;
    new_first[i] = m;
    new_second[i] = v;
    new_variable[i] = variable[i] * (1.f - rate * decay) - rate * (m * c1) / (std::sqrt(v * c2) + epsilon);
  }
}

void ema(const float* target, const float* source, int64_t count, float decay, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = decay * target[i] + (1.f - decay) * source[i];
}

}  // namespace

void fill_optimizers(Kernels* k) {
  k->sgd = sgd;
  k->adamw = adamw;
  k->ema = ema;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
