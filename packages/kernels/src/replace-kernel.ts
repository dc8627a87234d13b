import { getKernel, type KernelFunc, registerKernel, type TensorInfo, unregisterKernel } from "@tensorflow/tfjs-core";

/**
 * Puts a kernel in the place of one that an engine has; nothing happens where it has none. `Args` is what the engine gives
 * its kernels.
 *
 * @param own - the result, or null for cases that stay with the stock kernel, which it may also call itself.
 */
export function replaceKernel<Args>(
  kernelName: string,
  backendName: string,
  own: (args: Args, stock: (args: Args) => TensorInfo) => TensorInfo | null,
): void {
  const kernel = getKernel(kernelName, backendName);
  if (!kernel) return;
  const stock = kernel.kernelFunc as unknown as (args: Args) => TensorInfo;
  unregisterKernel(kernelName, backendName);
  registerKernel({
    ...kernel,
    kernelFunc: ((args: Args) => own(args, stock) ?? stock(args)) as unknown as KernelFunc,
  });
}
