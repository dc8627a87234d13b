// The CUDA kernels on this processor: blocks one after another, the threads of a block as fibers that meet
// at barriers. Blocks and threads also run in the opposite order: where a barrier is missing, or shared memory is read that a
// block did not write, the results differ.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

struct Three {
  unsigned x;
};
static Three threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr int kThreads = 256;
constexpr size_t kStack = 64 * 1024;

// Fibers last for all blocks. They are entered by a context once and switched by jumps from then on: switching contexts
// would ask the system for the signal mask each time.
struct Fiber {
  ucontext_t context;
  jmp_buf place;
  bool entered, done;
};
static Fiber fibers[kThreads];
static jmp_buf scheduler;
static int current;
static const std::function<void()>* body;

__attribute__((noinline)) static void pause_fiber() {
  if (_setjmp(fibers[current].place) == 0) _longjmp(scheduler, 1);
}

static void enter_fiber() {
  for (;;) {
    (*body)();
    fibers[current].done = true;
    pause_fiber();
  }
}

__attribute__((noinline)) static void resume_fiber(int i) {
  Fiber& f = fibers[i];
  current = i;
  threadIdx.x = i;
  if (_setjmp(scheduler) != 0) return;
  if (f.entered) _longjmp(f.place, 1);
  f.entered = true;
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = std::malloc(kStack);
  f.context.uc_stack.ss_size = kStack;
  f.context.uc_link = nullptr;
  makecontext(&f.context, enter_fiber, 0);
  setcontext(&f.context);
}

static void barrier() { pause_fiber(); }

[[noreturn]] static void fail(const char* what) {
  std::fprintf(stderr, "emulator: %s\n", what);
  std::abort();
}

static void run_block(const std::function<void()>& kernel, bool backwards) {
  body = &kernel;
  for (Fiber& f : fibers) f.done = false;
  for (int left = kThreads; left > 0;) {
    int ended = 0;
    for (int k = 0; k < kThreads; ++k) {
      const int i = backwards ? kThreads - 1 - k : k;
      if (fibers[i].done) continue;
      resume_fiber(i);
      ended += fibers[i].done;
    }
    if (ended != 0 && ended != left) fail("some threads of a block ended while others waited at a barrier");
    left -= ended;
  }
}

}  // namespace emulator

#define __device__
#define __launch_bounds__(n)
#define __syncthreads() emulator::barrier()
#define __shared__ static
static float __int_as_float(int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

#include "cuda/signatures.h"

#include "cuda/kernels.cu"

namespace emulator {

static_assert(kThreads == semiseg_cuda::kThreads);

inline void run_blocks(semiseg_cuda::Index blocks, const std::function<void()>& kernel, bool backwards) {
  gridDim.x = static_cast<unsigned>(blocks);
  blockDim.x = kThreads;
  for (semiseg_cuda::Index k = 0; k < blocks; ++k) {
    blockIdx.x = static_cast<unsigned>(backwards ? blocks - 1 - k : k);
    run_block(kernel, backwards);
  }
}

}  // namespace emulator
