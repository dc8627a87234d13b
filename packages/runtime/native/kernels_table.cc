// The kernels of one instruction set. Compiled once per instruction set.
#include "kernels.h"
#include "vector.h"

namespace semiseg {
namespace SEMISEG_TARGET {

void fill_convolutions(Kernels*);
void fill_norm(Kernels*);
void fill_arithmetic(Kernels*);
void fill_optimizers(Kernels*);
void fill_losses(Kernels*);
void fill_resize(Kernels*);
void fill_matmul(Kernels*);
void fill_pool(Kernels*);

const Kernels* table() {
  static const Kernels kernels = [] {
    Kernels k{};
#if defined(__AVX512F__)
    k.name = "avx512";
#elif defined(__AVX2__)
    k.name = "avx2";
#else
    k.name = "portable";
#endif
    fill_convolutions(&k);
    fill_norm(&k);
    fill_arithmetic(&k);
    fill_optimizers(&k);
    fill_losses(&k);
    fill_resize(&k);
    fill_matmul(&k);
    fill_pool(&k);
    return k;
  }();
  return &kernels;
}

}  // namespace SEMISEG_TARGET
}  // namespace semiseg
