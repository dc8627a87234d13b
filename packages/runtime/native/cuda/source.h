// What the CUDA operators compile on first use: the addon hands it over when it is loaded on a device.
#pragma once
#include <string>

namespace semiseg {

struct CudaSource {
  std::string nvrtc;  // path of NVIDIA's run-time compiler
  std::string text;
};

inline CudaSource& cuda_source() {
  static CudaSource source;
  return source;
}

}  // namespace semiseg
