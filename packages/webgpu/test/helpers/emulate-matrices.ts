/**
 * Rewrites a shader so that plain WGSL does what subgroup matrices do: the threads of a subgroup of `lanes` share out the
 * elements of a sum, and operands are read where they were loaded from. Sums are added up term by term.
 */
export function emulateMatrices(code: string, lanes: number): string {
  const sizes = (name: string, type: string): [number, number] => {
    const found = new RegExp(`alias ${name} = subgroup_matrix_${type}, (\\d+), (\\d+)>;`).exec(code);
    if (!found) throw new Error(`the shader has no ${name}`);
    return [Number(found[1]), Number(found[2])];
  };
  // Types name columns first.
  const [terms, rows] = sizes("Left", "left<f16");
  const [columns, rightRows] = sizes("Right", "right<f16");
  const [sumColumns, sumRows] = sizes("Sum", "result<f32");
  if (rightRows !== terms || sumColumns !== columns || sumRows !== rows) throw new Error("sizes do not fit");
  const each = (rows * columns) / lanes;
  // Bounds that a compiler cannot see: unrolled, these loops keep the software driver's busy for minutes.
  const bound = (n: number): string => `${n} + min(uniforms.steps, 0)`;
  return `${code
    .replace("enable chromium_experimental_subgroup_matrix;", "")
    .replace("chromium.subgroup_matrix_uniformity", "subgroup_uniformity")
    .replace(/alias (Left|Right|Sum) = .*;/g, "")
    .replace(/subgroupMatrixLoad<(?:Left|Right), (col|row)_major>\(&tile([AB]), /g, "emulatedLoad_$1_$2(")
    .replace(/subgroupMatrixStore<row_major>\(&blocks, /g, "emulatedStore(")}
    struct Operand { at : i32, down : i32, across : i32, ofB : bool, }
    alias Left = Operand;
    alias Right = Operand;
    alias Sum = array<f32, ${each}>;
    ${["A", "B"]
      .map(
        (tile) => `
    fn emulatedLoad_col_${tile}(at : i32, stride : i32) -> Operand { return Operand(at, 1, stride, ${tile === "B"}); }
    fn emulatedLoad_row_${tile}(at : i32, stride : i32) -> Operand { return Operand(at, stride, 1, ${tile === "B"}); }`,
      )
      .join("")}
    fn elementOf(operand : Operand, row : i32, column : i32) -> f32 {
      let at = operand.at + row * operand.down + column * operand.across;
      if (operand.ofB) { return f32(tileB[at]); }
      return f32(tileA[at]);
    }
    fn subgroupMatrixMultiplyAccumulate(a : Left, b : Right, c : Sum) -> Sum {
      let lane = i32(subgroupExclusiveAdd(1u));
      var sum = c;
      for (var i = 0; i < ${bound(each)}; i++) {
        let e = i * ${lanes} + lane;
        for (var k = 0; k < ${bound(terms)}; k++) {
          sum[i] = fma(elementOf(a, e / ${columns}, k), elementOf(b, k, e % ${columns}), sum[i]);
        }
      }
      return sum;
    }
    fn emulatedStore(at : i32, value : Sum, stride : i32) {
      let lane = i32(subgroupExclusiveAdd(1u));
      var sum = value;
      for (var i = 0; i < ${bound(each)}; i++) {
        let e = i * ${lanes} + lane;
        blocks[at + e / ${columns} * stride + e % ${columns}] = sum[i];
      }
    }`;
}
