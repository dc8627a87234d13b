import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import * as tools from "../src/index.mjs";

describe("tools of the tutorials", () => {
  it("planeOf cuts any axis: first remaining axis along columns, second along rows", () => {
    const values = Float32Array.from({ length: 24 }, (_, i) => i);
    const k = tools.planeOf(values, [2, 3, 4], { plane: 1 });
    expect(k).toMatchObject({ columns: 2, rows: 3 });
    expect([...k.values]).toEqual([1, 5, 9, 13, 17, 21]);
    const i = tools.planeOf(values, [2, 3, 4], { axis: 0, plane: 1 });
    expect([i.columns, i.rows, ...i.values.slice(0, 2)]).toEqual([3, 4, 12, 13]);
    expect(() => tools.planeOf(values, [2, 3, 4], { plane: 4 })).toThrow("plane");
    expect(() => tools.planeOf(values, [2, 3])).toThrow("shape");
  });

  it("pngBytes is read back pixel by pixel, the second axis upwards", () => {
    const plane = { values: Float32Array.of(0, 1, 2, 3, 4, 5), columns: 2, rows: 3 };
    const picture = tools.greyPicture(plane, { low: 0, high: 5 });
    const png = decode(tools.pngBytes(picture));
    expect([png.width, png.height, png.channels]).toEqual([2, 3, 3]);
    // Top row: the largest second index of both columns.
    expect([...png.data.slice(0, 6)]).toEqual([102, 102, 102, 255, 255, 255]);
  });

  it("contourPaths outlines a single voxel with four sides, and nothing of the background", () => {
    const plane = { values: Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0), columns: 3, rows: 3 };
    const [line, ...rest] = tools.contourPaths(plane, { of: "truth" });
    expect(rest).toEqual([]);
    expect(line!.path).toBe("M1 1v1M2 1v1M1 1h1M1 2h1");
  });

  it("largestPlane, largestClass and channelOf pick what they say", () => {
    const labels = Uint8Array.from({ length: 8 }, (_, i) => (i % 4 === 2 ? 1 : 0));
    expect(tools.largestPlane(labels, [2, 1, 4])).toBe(2);
    expect(tools.largestPlane(new Uint8Array(8), [2, 1, 4])).toBe(2);
    expect([...tools.largestClass([0.2, 0.8, 0.5, 0.5], 2)]).toEqual([1, 0]);
    expect([...tools.channelOf([1, 2, 3, 4], 2, 1)]).toEqual([2, 4]);
  });

  it("panelsSvg holds every picture, caption and bar; chartSvg every series", () => {
    const plane = { values: Float32Array.of(0, 1, 2, 3), columns: 2, rows: 2 };
    const svg = tools.panelsSvg({
      title: "a < b",
      panels: [
        { picture: tools.heatPicture(plane, { unit: "nats" }), caption: "entropy" },
        { picture: tools.labelPicture(plane, { under: plane }), caption: "classes" },
      ],
    });
    expect(svg.match(/data:image\/png/g)).toHaveLength(2);
    for (const text of ["a &lt; b", "entropy", "classes", "nats", "linearGradient"]) expect(svg).toContain(text);
    const chart = tools.chartSvg({
      title: "Loss",
      series: [
        {
          name: "one",
          points: [
            [0, 1],
            [1, 2],
          ],
        },
        {
          name: "two",
          points: [
            [0, 2],
            [1, 1],
          ],
        },
      ],
    });
    expect(chart).toMatch(/^<svg xmlns/);
    for (const name of ["one", "two"]) expect(chart).toContain(`>${name}</text>`);
    expect(() => tools.chartSvg({ title: "Nothing", series: [] })).toThrow("Nothing");
  });
});
