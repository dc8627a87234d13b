// compile-cuda COMPILER ARCHITECTURE SOURCE IMAGE: compiles as the operators do; prints the log, and fails with the error.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cuda/compile.h"

int main(int, char** arguments) {
  std::stringstream source;
  source << std::ifstream(arguments[3]).rdbuf();
  std::string image, log;
  const std::string error = semiseg::compile_cuda(arguments[1], source.str(), std::atoi(arguments[2]), &image, &log);
  if (!error.empty()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  std::printf("%s", log.c_str());
  std::ofstream(arguments[4], std::ios::binary).write(image.data(), static_cast<std::streamsize>(image.size()));
}
