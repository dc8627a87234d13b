import { supervised, ugMcl } from "@semiseg/presets";
import "@semiseg/test-utils";
import { expect, it } from "vitest";
import { laggingTeacher } from "../src/lagging-teacher.js";

it("a teacher that averages more than a fifth of the run is pointed out, with a decay that fits", () => {
  const published = ugMcl({ network: { baseFilters: 2 } });
  expect(laggingTeacher(published, 150)).toMatch(
    /about 100 steps of this run's 150 .* method\.teacher\.decay to about 0\.93/,
  );
  expect(laggingTeacher(published, 500)).toBeNull();
  expect(laggingTeacher(published, 5)).toMatch(/this run's 5 and will lag behind the student: train longer$/);
  const quick = ugMcl({ network: { baseFilters: 2 }, teacher: { decay: 0.9 } });
  expect(laggingTeacher(quick, 150)).toBeNull();
  const none = supervised({ network: { baseFilters: 2 } });
  expect(laggingTeacher(none, 10)).toBeNull();
  for (const method of [published, quick, none]) method.dispose();
});
