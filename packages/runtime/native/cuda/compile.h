// CUDA C++ into code for one kind of device, by NVIDIA's run-time compiler; that needs neither a device nor a driver.
#pragma once
#include <dlfcn.h>

#include <algorithm>
#include <string>
#include <vector>

namespace semiseg {

// Compiles `source` for a device of compute capability `architecture` (major * 10 + minor) into `image`, which
// cuModuleLoadData takes; `log` is what the compiler said. Returns what went wrong, empty when nothing did.
inline std::string compile_cuda(const std::string& nvrtc, const std::string& source, int architecture, std::string* image,
                                std::string* log) {
  void* const library = dlopen(nvrtc.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return std::string("NVIDIA's run-time compiler does not load: ") + dlerror();
  std::string missing;
  const auto find = [&](const char* name, auto** function) {
    *function = reinterpret_cast<std::remove_reference_t<decltype(*function)>>(dlsym(library, name));
    if (!*function) missing = name;
  };
  using Program = void*;
  int (*create)(Program*, const char*, const char*, int, const char* const*, const char* const*);
  int (*compile)(Program, int, const char* const*);
  int (*destroy)(Program*);
  int (*log_size)(Program, size_t*);
  int (*get_log)(Program, char*);
  int (*binary_size)(Program, size_t*);
  int (*get_binary)(Program, char*);
  int (*text_size)(Program, size_t*);
  int (*get_text)(Program, char*);
  int (*count_architectures)(int*);
  int (*get_architectures)(int*);
  const char* (*name_of)(int);
  find("nvrtcCreateProgram", &create);
  find("nvrtcCompileProgram", &compile);
  find("nvrtcDestroyProgram", &destroy);
  find("nvrtcGetProgramLogSize", &log_size);
  find("nvrtcGetProgramLog", &get_log);
  find("nvrtcGetCUBINSize", &binary_size);
  find("nvrtcGetCUBIN", &get_binary);
  find("nvrtcGetPTXSize", &text_size);
  find("nvrtcGetPTX", &get_text);
  find("nvrtcGetNumSupportedArchs", &count_architectures);
  find("nvrtcGetSupportedArchs", &get_architectures);
  find("nvrtcGetErrorString", &name_of);
  if (!missing.empty()) return "NVIDIA's run-time compiler has no function " + missing;

  int count = 0;
  std::vector<int> known;
  if (count_architectures(&count) == 0 && count > 0) {
    known.resize(count);
    if (get_architectures(known.data()) != 0) known.clear();
  }
  int chosen = 0;
  for (const int one : known)
    if (one <= architecture) chosen = std::max(chosen, one);
  if (chosen == 0) return "NVIDIA's run-time compiler knows no devices as old as compute capability " + std::to_string(architecture);
  // Machine code where the compiler knows the device, since a driver may be too old for the compiler's PTX; PTX, which the
  // driver compiles, where the device is newer than the compiler.
  const bool own = chosen == architecture;
  const std::string target = std::string("--gpu-architecture=") + (own ? "sm_" : "compute_") + std::to_string(chosen);
  const char* const options[] = {target.c_str(), "--std=c++17"};

  Program program;
  int status = create(&program, source.c_str(), "semiseg.cu", 0, nullptr, nullptr);
  if (status == 0) {
    status = compile(program, 2, options);
    size_t size = 0;
    if (log_size(program, &size) == 0 && size > 1) {
      log->resize(size);
      get_log(program, &(*log)[0]);
      log->resize(size - 1);
    }
    if (status == 0) status = (own ? binary_size : text_size)(program, &size);
    if (status == 0) {
      image->resize(size);
      status = (own ? get_binary : get_text)(program, &(*image)[0]);
    }
    destroy(&program);
  }
  if (status == 0) return "";
  return std::string("NVIDIA's run-time compiler: ") + name_of(status) + (log->empty() ? "" : ": " + *log);
}

}  // namespace semiseg
