/**
 * Writes what the data doctor says about the two real data sets to benchmarks/results.
 *
 *   npm run build && SEMISEG_DATA=... node benchmarks/data/doctor-examples.mjs
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { dataDoctor, doctorText } from "@semiseg/data";

const results = join(dirname(fileURLToPath(import.meta.url)), "../results");
for (const name of ["hippocampus", "left-atrium"]) {
  const report = await dataDoctor(join(process.env.SEMISEG_DATA ?? "", name), { thumbnails: false });
  const text = doctorText({ ...report, path: `$SEMISEG_DATA/${name}` }, 200);
  writeFileSync(join(results, `data-doctor-${name}.txt`), text);
  console.log(text);
}
