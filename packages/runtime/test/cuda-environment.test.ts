import { OptionError } from "@semiseg/errors";
import { describe, expect, it } from "vitest";
import { cudaEnvironment } from "../src/engine/cuda-environment.js";

describe("cudaEnvironment", () => {
  it("takes GPU memory as it is needed and counts GPUs as nvidia-smi does, unless told otherwise", () => {
    expect(cudaEnvironment("gpu", {}, {})).toEqual({
      CUDA_DEVICE_ORDER: "PCI_BUS_ID",
      TF_FORCE_GPU_ALLOW_GROWTH: "true",
    });
  });

  it("leaves what the user has set", () => {
    const user = { CUDA_DEVICE_ORDER: "FASTEST_FIRST", TF_FORCE_GPU_ALLOW_GROWTH: "false", CUDA_VISIBLE_DEVICES: "3" };
    expect(cudaEnvironment("gpu", {}, user)).toEqual({
      CUDA_DEVICE_ORDER: "FASTEST_FIRST",
      TF_FORCE_GPU_ALLOW_GROWTH: "false",
    });
  });

  it("an option goes before what is set", () => {
    const user = { TF_FORCE_GPU_ALLOW_GROWTH: "true", CUDA_VISIBLE_DEVICES: "3" };
    expect(cudaEnvironment("gpu", { device: 1, memoryGrowth: false, tf32: false }, user)).toMatchObject({
      CUDA_VISIBLE_DEVICES: "1",
      NVIDIA_TF32_OVERRIDE: "0",
      TF_FORCE_GPU_ALLOW_GROWTH: "false",
    });
    expect(cudaEnvironment("gpu", { tf32: true }, {})["NVIDIA_TF32_OVERRIDE"]).toBe("1");
    expect(cudaEnvironment("gpu", { deterministic: true }, {})["TF_CUDNN_DETERMINISTIC"]).toBe("1");
  });

  it("changes nothing for the CPU build", () => {
    expect(cudaEnvironment("cpu", { device: 1, tf32: false }, {})).toEqual({});
  });

  it("refuses a device that cannot be, naming the option", () => {
    for (const device of [-2, 0.5, Number.NaN])
      expect(() => cudaEnvironment("gpu", { device }, {})).toThrow(/cuda\.device/);
    expect(() => cudaEnvironment("cpu", { device: -2 }, {})).toThrow(OptionError);
  });
});
