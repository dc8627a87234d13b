import { DataError } from "@semiseg/errors";

/**
 * Where a header's data file is: beside the header, and nowhere else, so that a header cannot make a program read
 * arbitrary files.
 */
export function detachedPath(headerPath: string, file: string): string {
  if (headerPath === "<bytes>")
    throw new DataError(`<bytes>: the values are in a separate file (${file}); read the header by its path`);
  const name = file.trim().replace(/^\.[\\/]/, "");
  if (name === "" || /(^|[\\/])\.\.([\\/]|$)/.test(name) || /^([\\/]|[A-Za-z]:)/.test(name))
    throw new DataError(`${headerPath}: its data file ${JSON.stringify(file)} is not in the header's own folder`);
  const cut = Math.max(headerPath.lastIndexOf("/"), headerPath.lastIndexOf("\\"));
  return headerPath.slice(0, cut + 1) + name;
}
