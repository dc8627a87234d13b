/**
 * The public API as text: every export of every package with its type, in etc/<package>.api.md. A change shows up in
 * review; `npm run api -- --write` accepts it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { packages, root } from "./workspaces.mjs";

const write = process.argv.includes("--write");
const published = packages().filter(({ manifest }) => !manifest.private);
const entries = published.map(({ path }) => join(path, "src", "index.ts"));
const program = ts.createProgram(entries, {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  customConditions: ["@semiseg/source"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmit: true,
  types: ["node"],
});
const checker = program.getTypeChecker();
const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope;
/** Without what changes from run to run of the compiler: paths, numbers of symbols, the order of unions of strings. */
const clean = (text) =>
  text
    .replace(/import\("[^"]*"\)\./g, "")
    .replace(/__@(\w+)@\d+/g, "[Symbol.$1]")
    .replace(/"[^"]*"(?: \| "[^"]*")+/g, (union) => union.split(" | ").sort().join(" | "))
    .replace(/\s+/g, " ");

function describe(symbol) {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const node = target.declarations?.[0];
  if (!node) return symbol.name;
  if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
    const type = checker.getDeclaredTypeOfSymbol(target);
    const members = checker
      .getPropertiesOfType(type)
      .filter(
        (member) =>
          !member.name.startsWith("__#") &&
          !(
            ts.getCombinedModifierFlags(member.valueDeclaration ?? node) &
            (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)
          ),
      )
      .filter((member) =>
        (member.declarations ?? []).some(
          (d) => !/[\\/]typescript[\\/]lib[\\/]|@types[\\/]node/.test(d.getSourceFile().fileName),
        ),
      )
      .map((member) => {
        const optional = member.flags & ts.SymbolFlags.Optional ? "?" : "";
        return `  ${clean(member.name)}${optional}: ${clean(checker.typeToString(checker.getTypeOfSymbolAtLocation(member, node), undefined, flags))}`;
      });
    return `${ts.isClassDeclaration(node) ? "class" : "interface"} ${symbol.name}\n${members.join("\n")}`;
  }
  if (ts.isTypeAliasDeclaration(node)) return clean(`type ${symbol.name} = ${node.type.getText()}`);
  const type = checker.getTypeOfSymbolAtLocation(target, node);
  return clean(
    `${ts.isFunctionDeclaration(node) ? "function" : "const"} ${symbol.name}: ${checker.typeToString(type, undefined, flags)}`,
  );
}

let stale = 0;
let count = 0;
mkdirSync(join(root, "etc"), { recursive: true });
for (const [i, { folder, manifest }] of published.entries()) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(entries[i]));
  const exports = module ? checker.getExportsOfModule(module).toSorted((a, b) => (a.name < b.name ? -1 : 1)) : [];
  count += exports.length;
  const text = `# ${manifest.name}\n\n\`\`\`ts\n${exports.map(describe).join("\n")}\n\`\`\`\n`;
  const file = join(root, "etc", `${folder}.api.md`);
  if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
  if (write) writeFileSync(file, text);
  else {
    stale++;
    console.error(`etc/${folder}.api.md is out of date`);
  }
}
console.log(
  `api: ${published.length} packages, ${count} exports${stale ? `, ${stale} out of date: read the diff after \`npm run api -- --write\`` : ""}`,
);
process.exit(stale ? 1 : 0);
