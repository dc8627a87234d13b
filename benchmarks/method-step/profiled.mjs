import * as tf from "@tensorflow/tfjs-core";

/** Time of all threads since `from`. */
function processorMilliseconds(from) {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

/** Wall and processor time per kernel of one call, by wrapping every registered kernel of this backend; slowest first. */
export async function profiled(f, count = 16) {
  const rows = new Map();
  const kernels = [...tf.getKernelsForBackend(tf.getBackend())];
  const swap = (wrap) => {
    for (const kernel of kernels) {
      tf.unregisterKernel(kernel.kernelName, kernel.backendName);
      tf.registerKernel(wrap(kernel));
    }
  };
  swap((kernel) => ({
    ...kernel,
    kernelFunc: (args) => {
      const cpu = process.cpuUsage();
      const began = performance.now();
      const result = kernel.kernelFunc(args);
      const row = rows.get(kernel.kernelName) ?? { milliseconds: 0, processorMilliseconds: 0, calls: 0 };
      row.milliseconds += performance.now() - began;
      row.processorMilliseconds += processorMilliseconds(cpu);
      row.calls++;
      rows.set(kernel.kernelName, row);
      return result;
    },
  }));
  const cpu = process.cpuUsage();
  const began = performance.now();
  try {
    await f();
  } finally {
    swap((kernel) => kernel);
  }
  const total = performance.now() - began;
  const processor = processorMilliseconds(cpu);
  const kernelsOf = [...rows]
    .map(([kernel, row]) => ({ kernel, ...row }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
  return {
    milliseconds: total,
    processorMilliseconds: processor,
    outsideKernels: total - kernelsOf.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    processorOutsideKernels: processor - kernelsOf.reduce((sum, row) => sum + row.processorMilliseconds, 0),
    kernels: kernelsOf.slice(0, count),
  };
}
