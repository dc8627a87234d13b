/**
 * A Vulkan driver that needs no GPU, for the WebGPU tests: Mesa's lavapipe from Debian backports, or SwiftShader from
 * Debian's chromium-common, unpacked (not installed) into the cache folder. Nothing outside the cache is touched and no
 * root is needed. On other systems, or where a driver is installed already, the system's own is used.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const cache = process.env.SEMISEG_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "semiseg");
const target = join(cache, "software-vulkan");

/** The two drivers: which Debian packages, where their files end up. */
const DRIVERS = [
  {
    packages: ["mesa-vulkan-drivers/bookworm-backports", "libvulkan1/bookworm"],
    libraries: "usr/lib/x86_64-linux-gnu",
    icd: "usr/share/vulkan/icd.d/lvp_icd.json",
  },
  { packages: ["chromium-common"], libraries: "usr/lib/chromium", icd: "usr/lib/chromium/vk_swiftshader_icd.json" },
];

function environment(root, { libraries, icd }) {
  const path = [join(root, libraries), process.env.LD_LIBRARY_PATH].filter(Boolean).join(":");
  return { LD_LIBRARY_PATH: path, VK_ICD_FILENAMES: join(root, icd) };
}

/** The mirror that this machine's apt already uses. */
function mirror() {
  const files = ["/etc/apt/sources.list", ...list("/etc/apt/sources.list.d")].filter(existsSync);
  for (const line of files.flatMap((file) => readFileSync(file, "utf8").split("\n"))) {
    const match = /^URIs:\s*(\S+)/.exec(line) ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+bookworm\s/.exec(line);
    if (match && !match[1].includes("security")) return match[1];
  }
  return null;
}

function list(folder) {
  return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
}

function unpack(driver) {
  const uri = mirror();
  if (!uri) throw new Error("no Debian mirror is configured");
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "vulkan-"));
  try {
    for (const folder of ["lists/partial", "archives/partial", "parts", "root"])
      mkdirSync(join(work, folder), { recursive: true });
    const signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    const suites = ["bookworm", "bookworm-backports"].map((suite) => `deb ${signed} ${uri} ${suite} main`);
    writeFileSync(join(work, "parts", "semiseg.list"), `${suites.join("\n")}\n`);
    const options = [
      "-oDir::Etc::sourcelist=/dev/null",
      `-oDir::Etc::sourceparts=${join(work, "parts")}`,
      `-oDir::State::Lists=${join(work, "lists")}`,
      `-oDir::Cache=${work}`,
    ];
    execFileSync("apt-get", [...options, "update", "-qq"], { stdio: ["ignore", "ignore", "pipe"] });
    execFileSync("apt-get", [...options, "download", "-qq", ...driver.packages], {
      cwd: work,
      stdio: ["ignore", "ignore", "pipe"],
    });
    for (const file of readdirSync(work).filter((name) => name.endsWith(".deb")))
      execFileSync("dpkg", ["-x", join(work, file), join(work, "root")]);
    if (!existsSync(join(work, "root", driver.icd))) throw new Error(`${driver.packages[0]} holds no ${driver.icd}`);
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "root"), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Environment variables under which Dawn finds a Vulkan driver; empty where the system has to provide one. */
export function softwareVulkan() {
  if (process.platform !== "linux" || process.arch !== "x64" || process.env.VK_ICD_FILENAMES) return {};
  const ready = () => DRIVERS.find(({ icd }) => existsSync(join(target, icd)));
  const reasons = [];
  for (const driver of DRIVERS) {
    const found = ready();
    if (found) return environment(target, found);
    try {
      unpack(driver);
    } catch (error) {
      reasons.push(`${driver.packages[0]}: ${error.message.split("\n")[0]}`);
    }
  }
  const found = ready();
  if (found) return environment(target, found);
  console.error(`software Vulkan: ${reasons.join("; ")}; the system's own driver has to do`);
  return {};
}
