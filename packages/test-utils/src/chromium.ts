import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A Chromium on this machine (`CHROMIUM` names one), or null and a line that says so. */
export function findChromium(): string | null {
  for (const name of [process.env["CHROMIUM"], "chromium", "chromium-browser", "google-chrome"])
    if (name)
      try {
        execFileSync(name, ["--version"], { stdio: "ignore" });
        return name;
      } catch {
        // the next one
      }
  console.warn("no Chromium on this machine (set CHROMIUM to one): browser tests are skipped");
  return null;
}

/** Arguments of {@link reportOfPage}. */
export interface PageArguments {
  readonly browser: string;
  /** What is served, by path; bytes as they are, text as HTML. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  /** Query of the page at `/`, such as `?steps=2`. */
  readonly query?: string;
}

const TYPES: Readonly<Record<string, string>> = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

/**
 * Opens a page in headless Chromium, WebGPU on SwiftShader, and waits for the JSON that it posts to `/report`. Rejects
 * when the browser ends before.
 */
export async function reportOfPage({ browser, files, query = "" }: PageArguments): Promise<unknown> {
  let told: (report: unknown) => void = () => {};
  const report = new Promise<unknown>((resolve) => {
    told = resolve;
  });
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (request.method === "POST") {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      response.writeHead(204).end();
      told(JSON.parse(Buffer.concat(parts).toString()));
      return;
    }
    const body = files[pathname];
    const type =
      typeof body === "string" ? "text/html" : (TYPES[pathname.split(".").at(-1)!] ?? "application/octet-stream");
    if (body === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": type }).end(body);
  });
  const profile = mkdtempSync(join(tmpdir(), "semiseg-chromium-"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const child = spawn(
    browser,
    [
      "--headless=new",
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      `--user-data-dir=${profile}`,
      // It ends when this pipe does, also where these tests are killed outright.
      "--remote-debugging-pipe",
      // localhost: a secure context, which WebGPU wants.
      `http://localhost:${port}/${query}`,
    ],
    // A group of its own, so that its helpers end with it.
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true },
  );
  const gone = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the browser ended with ${code} before the page reported`)));
  });
  gone.catch(() => {});
  try {
    return await Promise.race([report, gone]);
  } finally {
    const ended = new Promise((resolve) => child.once("close", resolve));
    if (child.exitCode === null && child.pid !== undefined) {
      process.kill(-child.pid, "SIGKILL");
      await ended;
    }
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
