import { BackendError } from "@semiseg/errors";

/** What failed commands print, what it means, and the remedy. The first that fits is used. */
const CAUSES: readonly (readonly [pattern: RegExp, meaning: string, remedy: string])[] = [
  [
    /ENOSPC|No space left|EDQUOT|disk quota/i,
    "the disk is full",
    "about 1.5 GB are needed in the cache folder (8 GB with --gpu): free some or set SEMISEG_CACHE to another disk",
  ],
  [
    /DO NOT MATCH THE HASHES|EINTEGRITY|Expected sha\d+/i,
    "what was downloaded does not have the expected content",
    "try again; a proxy or mirror that changes files must be fixed",
  ],
  [
    /EACCES|EPERM|EROFS|Permission denied|Read-only file system/i,
    "there is no permission",
    "make the cache folder writable or set SEMISEG_CACHE to one that is",
  ],
  // Before the missing distribution: pip names both when it cannot reach its index.
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|NewConnectionError|Max retries|Temporary failure|Could not resolve host|ReadTimeout/i,
    "the network is not reachable",
    "connect, or configure the proxy of pip and npm, and run the setup again: it goes on where it stopped",
  ],
  [
    /No matching distribution|Could not find a version/i,
    "the package index has no suitable wheel",
    "check that the index configured in pip carries TensorFlow's wheels for Linux",
  ],
];

/** Turns what pip, npm, the compiler or the file system said into an error with a remedy. */
export function explainFailure(step: string, text: string, cause?: unknown): BackendError {
  const options = cause === undefined ? undefined : { cause };
  for (const [pattern, meaning, remedy] of CAUSES)
    if (pattern.test(text)) return new BackendError(`native TensorFlow: ${meaning} while ${step}: ${remedy}`, options);
  const tail = text.trim().split("\n").slice(-3).join(" | ");
  return new BackendError(`native TensorFlow: failed while ${step}: ${tail || "no output"}`, options);
}
