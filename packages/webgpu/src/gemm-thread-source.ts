import { type GemmInner, range, UNSCALE } from "./gemm-inner.js";
import { type GemmTile, threadGrid } from "./gemm-tile.js";

/** Multiplication by threads: each keeps a rectangle of the results in registers. */
export function gemmThreadSource(tile: GemmTile, scaled: boolean): GemmInner {
  const { rows, columns, depth } = tile;
  const [down, across] = threadGrid(tile);
  const [rowsEach, columnsEach] = [rows / down, columns / across];
  const accumulators = range(rowsEach).flatMap((i) => range(columnsEach).map((j) => `c${i}_${j}`));
  return {
    begin: accumulators.map((c) => `var ${c} = 0.0;`).join(" "),
    multiply: `
        for (var kk = 0; kk < ${depth}; kk++) {
          let a = kk * ${rows} + (thread / ${across}) * ${rowsEach};
          let b = kk * ${columns} + (thread % ${across}) * ${columnsEach};
          ${range(rowsEach)
            .map((i) => `let a${i} = f32(tileA[a + ${i}]);`)
            .join(" ")}
          ${range(columnsEach)
            .map((j) => `let b${j} = f32(tileB[b + ${j}]);`)
            .join(" ")}
          ${range(rowsEach)
            .flatMap((i) => range(columnsEach).map((j) => `c${i}_${j} = fma(a${i}, b${j}, c${i}_${j});`))
            .join(" ")}
        }`,
    end: `
      if (split < uniforms.splits) {
        let row = firstRow + (thread / ${across}) * ${rowsEach};
        let column = firstColumn + (thread % ${across}) * ${columnsEach};
        ${range(rowsEach)
          .flatMap((i) =>
            range(columnsEach).map(
              (j) =>
                `if (row + ${i} < uniforms.rows && column + ${j} < uniforms.columns) { store(row + ${i}, column + ${j}, split, c${i}_${j}${scaled ? UNSCALE : ""}); }`,
            ),
          )
          .join("\n")}
      }`,
  };
}
