// SPDX-License-Identifier: Apache-2.0

// Checks OpenAPI documents: node openapi.js FILE...
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";

for (const file of process.argv.slice(2)) {
  const validator = new Validator();
  const result = await validator.validate(readFileSync(file, "utf8"));
  if (!result.valid || validator.version !== "3.1") {
    console.error(file, validator.version, JSON.stringify(result.errors, null, 2));
    process.exitCode = 1;
  }
}
