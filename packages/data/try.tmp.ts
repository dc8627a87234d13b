import { writeFileSync } from "node:fs";
import { encode } from "fast-png";
import { generatePhantom } from "./src/phantom/generate-phantom.js";

const N = 6,
  S = 64;
for (const modality of ["a", "b"] as const) {
  const W = S * N,
    H = S * 4;
  const px = new Uint8Array(W * H * 3);
  const t = Date.now();
  for (let c = 0; c < N; c++) {
    const p = generatePhantom(c, { organs: 4, modality });
    const counts = [0, 0, 0, 0, 0];
    for (const l of p.label.data) counts[l]++;
    console.log(c, counts.map((n) => (n / p.label.data.length).toFixed(3)).join(" "));
    [10, 16, 22].forEach((k, r) => {
      for (let x = 0; x < S; x++)
        for (let y = 0; y < S; y++) {
          const v = p.image.data[(x * 64 + y) * 32 + k]!;
          const l = p.label.data[(x * 64 + y) * 32 + k]!;
          const g = Math.max(0, Math.min(255, (v + 2) * 64));
          const o = ((r * S + (S - 1 - y)) * W + c * S + x) * 3;
          px[o] = g;
          px[o + 1] = g;
          px[o + 2] = g;
          if (r === 2) {
          }
          if (l && r < 3 && (x + y) % 2) {
            px[o] = [0, 255, 0, 0, 255][l]!;
            px[o + 1] = [0, 0, 255, 0, 255][l]!;
            px[o + 2] = [0, 0, 0, 255, 0][l]!;
          }
        }
    });
    const q = generatePhantom(c, { organs: 4, modality, shape: [64, 64] });
    for (let x = 0; x < S; x++)
      for (let y = 0; y < S; y++) {
        const v = q.image.data[x * 64 + y]!;
        const g = Math.max(0, Math.min(255, (v + 2) * 64));
        const o = ((3 * S + (S - 1 - y)) * W + c * S + x) * 3;
        px[o] = px[o + 1] = px[o + 2] = g;
      }
  }
  console.log((Date.now() - t) / N, "ms");
  writeFileSync(`/tmp/ph-${modality}.png`, encode({ width: W, height: H, data: px, channels: 3, depth: 8 }));
}
