/** Node's own modules, loaded when needed so that reading bytes also works in a browser bundle. */
export const inNode = typeof process !== "undefined" && Boolean(process.versions?.node);

export const nodeFs = (): Promise<typeof import("node:fs/promises")> => import("node:fs/promises");
export const nodeZlib = (): Promise<typeof import("node:zlib")> => import("node:zlib");

/** Whether this is a worker thread, which may block: fewer hand-overs between threads than asynchronous work has. */
export const inWorkerThread = async (): Promise<boolean> =>
  inNode && !(await import("node:worker_threads")).isMainThread;
