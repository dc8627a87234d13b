import "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initWebgpu, type WebgpuInfo } from "../src/index.js";
import { conv, expectClose, on, transposed } from "./helpers/convolutions.js";

let info: WebgpuInfo;
beforeAll(async () => {
  info = await initWebgpu();
});
afterAll(() => expect(info.guard.pending).toEqual([]));

describe("tiled convolutions equal the cpu backend, values and both gradients", () => {
  it.each([
    ["3x3x3, 16 to 16 channels", [2, 6, 7, 5, 16], [3, 3, 3, 16, 16], conv(1, "same")],
    ["3x3x3 of one channel", [1, 9, 8, 7, 1], [3, 3, 3, 1, 16], conv(1, "same")],
    ["3x3x3, 8 to 40 channels", [1, 5, 6, 7, 8], [3, 3, 3, 8, 40], conv(1, "same")],
    ["3x3x3, channels of no round number", [2, 5, 4, 6, 5], [3, 3, 3, 5, 7], conv(1, "valid")],
    ["2x2x2 with stride 2", [2, 8, 6, 4, 8], [2, 2, 2, 8, 16], conv(2, "valid")],
    ["2x2x2 with stride 2 that leaves a rest", [1, 7, 6, 5, 4], [2, 2, 2, 4, 8], conv(2, "valid")],
    ["3x3x3 with stride 2", [1, 7, 8, 9, 6], [3, 3, 3, 6, 9], conv(2, "same")],
    ["strides that differ", [1, 6, 7, 8, 4], [1, 3, 3, 4, 8], conv([1, 2, 2], "same")],
    ["1x1x1 to two classes", [2, 6, 6, 6, 16], [1, 1, 1, 16, 2], conv(1, "same")],
    ["more than 64 output channels", [1, 3, 3, 3, 12], [3, 3, 3, 12, 80], conv(1, "same")],
    ["enough voxels that the filter gradient is cut into parts", [1, 24, 20, 16, 2], [3, 3, 3, 2, 3], conv(1, "same")],
    ["transposed 2x2x2 with stride 2", [2, 4, 3, 5, 16], [2, 2, 2, 8, 16], transposed([2, 8, 6, 10, 8], 2, "valid")],
    ["transposed 3x3x3 with stride 2", [1, 4, 3, 5, 6], [3, 3, 3, 4, 6], transposed([1, 8, 6, 10, 4], 2, "same")],
  ] as const)("%s", async (_, x, filter, run) => {
    const expected = await on("cpu", x, filter, run);
    const received = await on("webgpu", x, filter, run);
    await info.guard.flush();
    expectClose(received, expected, 2e-5);
  });
});
