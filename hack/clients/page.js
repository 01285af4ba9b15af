// SPDX-License-Identifier: Apache-2.0

// The checks in a page, which is of another origin than the proxy. It posts what
// they came to back to its own.
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { check, checkGRPCWeb, equal, greeterOf, report } from "./calls.js";

const { baseUrl, strange } = await (await fetch("/where")).json();
const service = greeterOf(new Uint8Array(await (await fetch("/descriptors")).arrayBuffer()));
const checks = [];
for (const useBinaryFormat of [true, false]) {
  const options = { baseUrl, useBinaryFormat };
  const name = useBinaryFormat ? "binary" : "JSON";
  checks.push([`Connect, ${name}`, () => check(service, createConnectTransport(options), {})]);
  checks.push([`gRPC-Web, ${name}`, () => check(service, createGrpcWebTransport(options), {})]);
}
for (const format of ["text", "binary"]) {
  checks.push([`grpc-web, ${format}`, () => checkGRPCWeb(service, baseUrl, format)]);
}
checks.push(["REST", async () => {
  const response = await fetch(baseUrl + "/greetings", {
    method: "POST", body: JSON.stringify({ name: "Ann" }), headers: { "content-type": "application/json" },
  });
  equal(await response.json(), { text: "Hello, Ann!" });
}]);
checks.push(["a proxy that doesn't know the page's origin", async () => {
  const answered = await fetch(strange + "/greetings", { method: "POST", body: "{}", headers: { "content-type": "application/json" } })
    .then(() => true, () => false);
  equal(answered, false);
}]);

await fetch("/report", { method: "POST", body: JSON.stringify(await report(checks)) });
