// Reads a contract document with the official parser, and generates types of it for TypeScript and Go. Prints each fault:
// what the parser calls an error, and types for which the generator had to invent a name.
//
//     node check.mjs FILE

import { readFile } from "node:fs/promises";
import { GoGenerator, TypeScriptGenerator } from "@asyncapi/modelina";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";

const text = await readFile(process.argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const faults = diagnostics
  .filter(({ severity }) => severity === DiagnosticSeverity.Error)
  .map(({ path, message }) => `${path.join(".")}: ${message}`);

if (document !== undefined) {
  const generators = { TypeScript: new TypeScriptGenerator(), Go: new GoGenerator() };
  for (const [language, generator] of Object.entries(generators)) {
    const models = await generator.generateCompleteModels(JSON.parse(text), { packageName: "denizen" });
    if (models.length < document.schemas().length / 10) faults.push(`${language}: only ${models.length} types`);
    for (const { modelName, result } of models) {
      if (/anonymous/i.test(modelName + result)) faults.push(`${language}: ${modelName} has a type without a name`);
    }
  }
}
process.stdout.write(faults.map((fault) => `${fault}\n`).join(""));
process.exitCode = faults.length === 0 ? 0 : 1;
