import { join, relative } from "node:path";
import { stringify } from "yaml";
import type { ExpandedSweep } from "./expand-sweep.js";

/**
 * An indexed Kubernetes Job with a pod per run. The claim must hold this folder with the sweep file, the product in
 * node_modules and the data; runs that are done end at once, so the Job can be applied again.
 */
export function kubernetesManifest({ file, sweep, tasks }: ExpandedSweep): string {
  const { image, volumeClaim, mountPath, gpus, cpus, memory } = sweep.kubernetes;
  const resources = { cpu: String(cpus), memory, ...(gpus > 0 ? { "nvidia.com/gpu": String(gpus) } : {}) };
  const inside = join(mountPath, relative(process.cwd(), file));
  return stringify({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "semiseg-sweep" },
    spec: {
      completions: tasks.length,
      parallelism: sweep.jobs,
      completionMode: "Indexed",
      backoffLimitPerIndex: sweep.retries,
      maxFailedIndexes: tasks.length,
      template: {
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: "run",
              image,
              workingDir: mountPath,
              command: ["sh", "-c", `exec npx semiseg ablate '${inside}' --task "$JOB_COMPLETION_INDEX"`],
              env: [{ name: "SEMISEG_DATA", value: join(mountPath, "data") }],
              resources: { requests: resources, limits: resources },
              volumeMounts: [{ name: "sweep", mountPath }],
            },
          ],
          volumes: [{ name: "sweep", persistentVolumeClaim: { claimName: volumeClaim } }],
        },
      },
    },
  });
}
