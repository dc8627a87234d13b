import { writeFileSync } from "node:fs";
import { Command } from "@commander-js/extra-typings";
import { dataDoctor, doctorHtml, doctorText, type PhantomConfig, writePhantomDataset } from "@semiseg/data";
import { DataError, OptionError } from "@semiseg/errors";
import { progressBar } from "@semiseg/training";
import { datasetConfigOf } from "../assemble-data.js";
import { loadConfig } from "../config/load-config.js";
import { createOutput, type OutputStreams } from "../output.js";
import { wholeNumber } from "./common.js";

const sizes = (text: string): number[] => text.split(/[x,]/).map(wholeNumber);

/** `semiseg data`: generate phantoms, check data sets. */
export function dataCommand(streams: OutputStreams) {
  const phantom = new Command("phantom")
    .description("write generated anatomical phantoms as a Medical Segmentation Decathlon folder with splits.json")
    .argument("<folder>", "where to write; created if missing")
    .option("--train <count>", "training cases", wholeNumber, 24)
    .option("--validation <count>", "validation cases", wholeNumber, 4)
    .option("--test <count>", "test cases", wholeNumber, 8)
    .option("--shape <sizes>", "voxels per axis, e.g. 64x64x32, or 128x128 for 2-D", sizes)
    .option("--organs <count>", "labelled organs, 1 to 4", wholeNumber)
    .option("--modality <name>", "contrast: a (CT-like) or b (MR-like)")
    .option("--seed <number>", "seed", wholeNumber, 0)
    .option("--json", "print one JSON value", false)
    .action(async (folder, { json, ...options }) => {
      const output = createOutput(json, streams);
      const total = options.train + options.validation + options.test;
      const bar = json ? null : progressBar({ total, label: "phantoms" });
      const dataset = await writePhantomDataset(folder, options as Omit<PhantomConfig, "kind">, (done) =>
        bar?.update(done),
      );
      bar?.finish();
      const { train, validation, test } = dataset.splits ?? { train: [], validation: [], test: [] };
      output.result(
        { folder, classNames: dataset.classNames, splits: { train, validation, test } },
        () =>
          `${folder}: ${train.length} training, ${validation.length} validation, ${test.length} test phantoms with ${dataset.classNames.slice(1).join(", ")}`,
      );
    });
  const doctor = new Command("doctor")
    .description("look through a data set and say what is wrong or odd with it")
    .argument("[folder]", "a data set's folder")
    .option("-c, --config <file>", "a configuration, in place of a folder: its data set with its names of classes")
    .option("--html <file>", "also write a page with a picture of every case")
    .option("--json", "print one JSON value", false)
    .action(async (folder, { json, html, config }) => {
      const output = createOutput(json, streams);
      if ((folder === undefined) === (config === undefined))
        throw new OptionError("data doctor: give a folder or --config <file>, one of the two");
      const report = await dataDoctor(config === undefined ? folder! : datasetConfigOf(loadConfig(config)), {
        thumbnails: html !== undefined,
      });
      if (html !== undefined) writeFileSync(html, doctorHtml(report));
      output.result(report, () => doctorText(report));
      const errors = report.findings.filter(({ severity }) => severity === "error").length;
      if (errors > 0) throw new DataError(`${folder ?? config}: ${errors} errors were found`);
    });
  return new Command("data")
    .description("generate and check data")
    .addCommand(phantom as unknown as Command)
    .addCommand(doctor as unknown as Command);
}
