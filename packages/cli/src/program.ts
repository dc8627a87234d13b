import { Command } from "@commander-js/extra-typings";
import { ablateCommand } from "./commands/ablate.js";
import { dataCommand } from "./commands/data.js";
import { doctorCommand } from "./commands/doctor.js";
import { evaluateCommand } from "./commands/evaluate.js";
import { explainCommand } from "./commands/explain.js";
import { predictCommand } from "./commands/predict.js";
import { schemaCommand } from "./commands/schema.js";
import { trainCommand } from "./commands/train.js";
import type { OutputStreams } from "./output.js";

/** The whole command-line interface as a commander program. Actions throw; `main` turns errors into exit codes. */
export function createProgram(streams: OutputStreams): Command {
  const program = new Command("semiseg")
    .description("Semi-supervised medical image segmentation: train, predict, evaluate")
    .showHelpAfterError("(semiseg --help lists the commands)")
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: streams.error });
  for (const command of [
    trainCommand(streams),
    evaluateCommand(streams),
    predictCommand(streams),
    ablateCommand(streams),
    explainCommand(streams),
    dataCommand(streams),
    doctorCommand(streams),
    schemaCommand(streams),
  ])
    program.addCommand(command as unknown as Command);
  // `addCommand` leaves a command's own settings: errors must reach the same streams, and throw, at every level.
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    for (const inner of command.commands) inner.copyInheritedSettings(program);
  }
  return program as unknown as Command;
}
