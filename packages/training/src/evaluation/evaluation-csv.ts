import type { Evaluation } from "./evaluation.js";

const cell = (value: string | number | boolean): string => {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** One line per case, class and metric, with everything that makes the number comparable. */
export function evaluationCsv(evaluations: readonly Evaluation[]): string {
  const header = "part,network,selected,step,case,class,class_name,metric,value,unit,dialect,empty,missed";
  const lines = evaluations.flatMap(({ part, model, classNames, cases }) =>
    cases.flatMap(({ id, rows }) =>
      rows.map((row) =>
        [
          part,
          model.network,
          model.selected,
          model.step,
          id,
          row.class,
          classNames[row.class] ?? "",
          row.metric,
          row.value,
          row.unit,
          row.dialect,
          row.empty,
          row.missed,
        ]
          .map(cell)
          .join(","),
      ),
    ),
  );
  return `${[header, ...lines].join("\n")}\n`;
}
