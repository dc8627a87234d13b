import { BackendError } from "@semiseg/errors";

/** Turns what pip, npm or the file system said into an error with a remedy. */
export function explainFailure(step: string, text: string, cause?: unknown): BackendError {
  const options = cause === undefined ? undefined : { cause };
  if (/ENOSPC|No space left|EDQUOT|disk quota/i.test(text))
    return new BackendError(
      `native TensorFlow: the disk is full while ${step}: about 1.5 GB are needed in the cache folder; free some or set SEMISEG_CACHE to another disk`,
      options,
    );
  if (/THESE PACKAGES DO NOT MATCH THE HASHES|EINTEGRITY|hash/i.test(text))
    return new BackendError(
      `native TensorFlow: what was downloaded while ${step} does not have the expected content: try again; a proxy or mirror that changes files must be fixed`,
      options,
    );
  if (/EACCES|EPERM|EROFS|Permission denied/i.test(text))
    return new BackendError(
      `native TensorFlow: no permission while ${step}: make the cache folder writable or set SEMISEG_CACHE to one that is`,
      options,
    );
  if (/No matching distribution|Could not find a version/i.test(text))
    return new BackendError(
      `native TensorFlow: the package index has no suitable wheel while ${step}: check that the index configured in pip carries tensorflow-cpu, and that the network is reachable`,
      options,
    );
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|NewConnectionError|Max retries|Temporary failure|network/i.test(
      text,
    )
  )
    return new BackendError(
      `native TensorFlow: the network is not reachable while ${step}: connect, or configure the proxy of pip and npm, and run the setup again: it goes on where it stopped`,
      options,
    );
  const tail = text.trim().split("\n").slice(-3).join(" | ");
  return new BackendError(`native TensorFlow: failed while ${step}: ${tail || "no output"}`, options);
}
