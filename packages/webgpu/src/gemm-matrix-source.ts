import { type GemmInner, range, UNSCALE } from "./gemm-inner.js";
import { type GemmTile, type MatrixShape, unitGrid } from "./gemm-tile.js";

/** Multiplication by subgroups: each keeps a rectangle of blocks of the results as subgroup matrices. */
export function gemmMatrixSource(tile: GemmTile, matrix: MatrixShape): GemmInner {
  const { rows, columns, depth, threads } = tile;
  const [down, across] = unitGrid(tile, matrix);
  const units = down * across;
  const [rowsEach, columnsEach] = [rows / down, columns / across];
  const [blocksDown, blocksAcross] = [range(rowsEach / matrix.rows), range(columnsEach / matrix.columns)];
  const blocks = blocksDown.flatMap((i) => blocksAcross.map((j) => ({ i, j, name: `c${i}_${j}` })));
  const size = matrix.rows * matrix.columns;
  return {
    declarations: `
    alias Left = subgroup_matrix_left<f16, ${matrix.terms}, ${matrix.rows}>;
    alias Right = subgroup_matrix_right<f16, ${matrix.columns}, ${matrix.terms}>;
    alias Sum = subgroup_matrix_result<f32, ${matrix.columns}, ${matrix.rows}>;
    var<workgroup> subgroups : atomic<u32>;
    var<workgroup> blocks : array<f32, ${units * size}>;
    // Stores the block that each unit has put into workgroup memory; the first unit's begins at a row and a column.
    fn storeBlocks(thread : i32, firstRow : i32, firstColumn : i32, split : i32, unscale : vec2<f32>) {
      for (var e = thread; e < ${units * size}; e += ${threads}) {
        let unit = e / ${size};
        let row = firstRow + unit / ${across} * ${rowsEach} + e % ${size} / ${matrix.columns};
        let column = firstColumn + unit % ${across} * ${columnsEach} + e % ${matrix.columns};
        if (split < uniforms.splits && row < uniforms.rows && column < uniforms.columns) {
          store(row, column, split, blocks[e]${UNSCALE});
        }
      }
    }`,
    // Subgroups number themselves: which threads form one is the driver's affair, and where they are smaller than the
    // adapter's largest there are more of them than units, the last ones idle.
    begin: `
      var number = 0u;
      if (subgroupElect()) { number = atomicAdd(&subgroups, 1u); }
      let unit = i32(subgroupBroadcastFirst(number));
      ${blocks.map(({ name }) => `var ${name} : Sum;`).join(" ")}`,
    multiply: `
        if (unit < ${units}) {
          for (var kk = 0; kk < ${depth}; kk += ${matrix.terms}) {
            let a = kk * ${rows} + unit / ${across} * ${rowsEach};
            let b = kk * ${columns} + unit % ${across} * ${columnsEach};
            ${blocksDown
              .map((i) => `let a${i} = subgroupMatrixLoad<Left, col_major>(&tileA, a + ${i * matrix.rows}, ${rows});`)
              .join("\n")}
            ${blocksAcross
              .map(
                (j) =>
                  `let b${j} = subgroupMatrixLoad<Right, row_major>(&tileB, b + ${j * matrix.columns}, ${columns});`,
              )
              .join("\n")}
            ${blocks
              .map(({ i, j, name }) => `${name} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, ${name});`)
              .join("\n")}
          }
        }`,
    end: blocks
      .map(
        ({ i, j, name }) => `
      if (unit < ${units}) { subgroupMatrixStore<row_major>(&blocks, unit * ${size}, ${name}, ${matrix.columns}); }
      workgroupBarrier();
      storeBlocks(thread, firstRow + ${i * matrix.rows}, firstColumn + ${j * matrix.columns}, split, unscale);
      workgroupBarrier();`,
      )
      .join(""),
  };
}
