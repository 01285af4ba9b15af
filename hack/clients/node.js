// SPDX-License-Identifier: Apache-2.0

// The checks in Node: node node.js BASE-URL DESCRIPTORS
import { readFileSync } from "node:fs";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport, createGrpcWebTransport as createGrpcWebOfWeb } from "@connectrpc/connect-web";
import { check, greeterOf, report } from "./calls.js";

const [baseUrl, descriptors] = process.argv.slice(2);
const service = greeterOf(readFileSync(descriptors));
const checks = [];
for (const httpVersion of ["1.1", "2"]) {
  const can = { sendMany: true, converse: httpVersion === "2" };
  for (const useBinaryFormat of [true, false]) {
    const options = { baseUrl, httpVersion, useBinaryFormat };
    const name = `HTTP/${httpVersion}, ${useBinaryFormat ? "binary" : "JSON"}`;
    checks.push([`Connect, ${name}`, () => check(service, createConnectTransport(options), can)]);
    checks.push([`gRPC-Web, ${name}`, () => check(service, createGrpcWebTransport(options), can)]);
    if (httpVersion === "2") {
      checks.push([`gRPC, ${name}`, () => check(service, createGrpcTransport(options), can)]);
    }
  }
}
checks.push(["Connect by fetch", () => check(service, createWebTransport({ baseUrl }), {})]);
checks.push(["gRPC-Web by fetch", () => check(service, createGrpcWebOfWeb({ baseUrl }), {})]);

console.log(JSON.stringify(await report(checks)));
process.exit(0); // sessions of HTTP/2 would keep it
