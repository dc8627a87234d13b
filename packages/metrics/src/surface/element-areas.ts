/** A point or a vector, in voxels: depth, height, width. */
type Vector = readonly [number, number, number];

/**
 * Which cube corners are inside, as a number: corner (z, y, x) is bit `7 - (4 z + 2 y + x)`. In two dimensions pixel
 * (y, x) is bit `3 - (2 y + x)`.
 */
type Code = number;

const CORNERS: readonly Vector[] = Array.from({ length: 8 }, (_, i) => [i >> 2, (i >> 1) & 1, i & 1]);
const inside = (code: Code, [z, y, x]: Vector): boolean => ((code >> (7 - (4 * z + 2 * y + x))) & 1) === 1;

const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const norm = (v: Vector): number => Math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
/** The area of a triangle as a vector along its normal. */
function areaVector([a, b, c]: readonly [Vector, Vector, Vector]): Vector {
  const [u, v] = [minus(b, a), minus(c, a)];
  return [(u[1] * v[2] - u[2] * v[1]) / 2, (u[2] * v[0] - u[0] * v[2]) / 2, (u[0] * v[1] - u[1] * v[0]) / 2];
}

/**
 * Where two answers are as good, the one of the reference library, found by comparing with it: a bit for each of the
 * codes below 128 in question, in rising order; the other codes are their complements, with the same surface.
 */
const JOINED_LONE_CORNER = "101101100001";
const SECOND_CENTRE = "010011000101";

/** How many of a corner's three neighbours are inside. */
const degree = (code: Code, [z, y, x]: Vector): number =>
  [[1 - z, y, x] as const, [z, 1 - y, x] as const, [z, y, 1 - x] as const].filter((at) => inside(code, at)).length;

/** Face-connected groups of inside corners, by size. */
function groups(code: Code): Vector[][] {
  const left = CORNERS.filter((corner) => inside(code, corner));
  const found: Vector[][] = [];
  while (left.length > 0) {
    const group = [left.pop()!];
    for (const at of group)
      for (const other of [...left])
        if (minus(at, other).reduce((n, d) => n + Math.abs(d), 0) === 1) {
          group.push(other);
          left.splice(left.indexOf(other), 1);
        }
    found.push(group);
  }
  return found.sort((a, b) => a.length - b.length);
}

/**
 * Closed polygons through the middles of those cube edges that have one end inside. On a face whose corners alternate,
 * the two inside are separated, or `joined` so that those outside are.
 */
function polygons(code: Code, joined: boolean): Vector[][] {
  const links = new Map<string, { readonly point: Vector; readonly to: Vector[] }>();
  const link = (a: Vector, b: Vector): void => {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const entry = links.get(String(from)) ?? { point: from, to: [] };
      entry.to.push(to);
      links.set(String(from), entry);
    }
  };
  for (let axis = 0; axis < 3; axis++)
    for (const side of [0, 1]) {
      const ring = [
        [0, 0],
        [0, 1],
        [1, 1],
        [1, 0],
      ].map((pair): Vector => {
        const rest = [...pair];
        const corner = [0, 1, 2].map((a) => (a === axis ? side : rest.shift()!));
        return [corner[0]!, corner[1]!, corner[2]!];
      });
      const middle = (i: number): Vector => {
        const [a, b] = [ring[i & 3]!, ring[(i + 1) & 3]!];
        return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];
      };
      const crossed = [0, 1, 2, 3].filter((i) => inside(code, ring[i]!) !== inside(code, ring[(i + 1) & 3]!));
      if (crossed.length === 2) link(middle(crossed[0]!), middle(crossed[1]!));
      if (crossed.length === 4)
        for (let i = inside(code, ring[0]!) === joined ? 1 : 0; i < 4; i += 2) link(middle(i + 3), middle(i));
    }
  const found: Vector[][] = [];
  while (links.size > 0) {
    const polygon: Vector[] = [];
    let next: Vector | undefined = links.values().next().value!.point;
    while (next) {
      polygon.push(next);
      const { to }: { readonly to: Vector[] } = links.get(String(next))!;
      links.delete(String(next));
      next = to.find((point) => links.has(String(point)));
    }
    found.push(polygon);
  }
  return found;
}

/** Every way to cut a polygon into triangles. */
function triangulations(polygon: readonly Vector[]): (readonly [Vector, Vector, Vector])[][] {
  if (polygon.length < 3) return [[]];
  const [first, last] = [polygon[0]!, polygon.at(-1)!];
  return polygon
    .slice(1, -1)
    .flatMap((apex, i) =>
      triangulations(polygon.slice(0, i + 2)).flatMap((before) =>
        triangulations(polygon.slice(i + 1)).map((after) => [...before, ...after, [first, apex, last] as const]),
      ),
    );
}

/** The triangulation of largest area; of the two that have a triangle in the centre, the chosen one. */
function triangles(polygon: readonly Vector[], second: boolean): (readonly [Vector, Vector, Vector])[] {
  const ways = triangulations(polygon).map((list) => ({
    list,
    area: list.reduce((sum, triangle) => sum + norm(areaVector(triangle)), 0),
  }));
  const largest = Math.max(...ways.map(({ area }) => area));
  const best = ways.filter(({ area }) => area > largest - 1e-9).map(({ list }) => list);
  if (polygon.length !== 6) return best[0]!;
  const place = (point: Vector): number => polygon.indexOf(point);
  // Its corners are every second one of the polygon.
  const centre = (list: readonly (readonly Vector[])[]): string | undefined =>
    list
      .filter((triangle) => triangle.every((point) => place(point) % 2 === place(triangle[0]!) % 2))
      .map((triangle) => triangle.map(String).sort()[0]!)[0];
  const central = best.filter((list) => centre(list) !== undefined).sort((a, b) => (centre(a)! < centre(b)! ? -1 : 1));
  return central[second ? 1 : 0] ?? best[0]!;
}

/**
 * Area vectors of the surface within each of the 256 cubes of eight neighbouring voxel centres: triangles between the
 * middles of cut edges, as in marching cubes.
 *
 * @see Lorensen and Cline, "Marching cubes", SIGGRAPH 1987.
 */
function areaVectors(): Vector[][] {
  const table: Vector[][] = Array.from({ length: 256 }, () => []);
  let [lone, twisted] = [0, 0];
  for (let code = 1; code < 255; code++) {
    const parts = groups(code);
    const count = parts.reduce((n, part) => n + part.length, 0);
    const half = count === 4;
    let joined = count > 4;
    if (half && code >= 128 && (parts.length === 1 || parts[0]!.length === 1)) {
      // Alike for the complement, which has its choice.
      table[code] = table[255 - code]!;
      continue;
    }
    if (half && parts.length === 2 && parts[0]!.length === 1) joined = JOINED_LONE_CORNER[lone++] === "1";
    const loops = polygons(code, joined);
    // Four corners in a chain that bends twice: a hexagon that does not lie in a plane.
    const bent =
      half && loops.length === 1 && loops[0]!.length === 6 && !parts[0]!.some((at) => degree(code, at) === 3);
    const second = bent && SECOND_CENTRE[twisted++] === "1";
    table[code] = loops.flatMap((loop) => triangles(loop, second).map(areaVector));
  }
  return table;
}

let vectors: Vector[][] | undefined;

/**
 * Area of the surface in mm^2 within each cube of eight voxel centres, by which of them are inside. In two dimensions
 * (`spacing` of two) the length of the contour in mm within each square of four.
 */
export function elementAreas(spacing: readonly number[]): Float64Array {
  if (spacing.length === 2) {
    const [down, across] = [spacing[0]!, spacing[1]!];
    const cut = 0.5 * Math.sqrt(down * down + across * across);
    return Float64Array.from({ length: 16 }, (_, code) => {
      if (code === 0 || code === 15) return 0;
      if (code === 3 || code === 12) return across;
      if (code === 5 || code === 10) return down;
      return code === 6 || code === 9 ? 2 * cut : cut;
    });
  }
  vectors ??= areaVectors();
  const [d, h, w] = [spacing[0]!, spacing[1]!, spacing[2]!];
  return Float64Array.from(vectors, (list) =>
    list.reduce((sum, [z, y, x]) => sum + norm([z * h * w, y * d * w, x * d * h]), 0),
  );
}
