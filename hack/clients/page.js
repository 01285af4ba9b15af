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
/** converse opens a WebSocket, says all that is to be said, and returns what came and how it ended. */
function converse(base, method, ...messages) {
  return new Promise((resolve) => {
    const socket = new WebSocket(base.replace("http", "ws") + "/greet.Greeter/" + method);
    const came = [];
    socket.onopen = () => messages.forEach((m) => socket.send(m));
    socket.onmessage = (event) => came.push(JSON.parse(event.data));
    socket.onclose = (event) => resolve({ came, code: event.code });
  });
}

checks.push(["WebSocket, both ways", async () => {
  equal(await converse(baseUrl, "GreetEach", '{"name":"Ann"}', '{"name":"Bob"}', ""),
    { came: [{ text: "Hello, Ann!" }, { text: "Hello, Bob!" }], code: 1000 });
}]);
checks.push(["WebSocket, refused", async () => {
  const { came, code } = await converse(baseUrl, "GreetInAllLanguages", "{}");
  equal([came.at(-1).error.message.includes("whom?"), code], [true, 4002]);
}]);
checks.push(["WebSocket to a proxy that doesn't know the page's origin", async () => {
  equal(await converse(strange, "GreetEach", "{}"), { came: [], code: 1006 });
}]);
checks.push(["a proxy that doesn't know the page's origin", async () => {
  const answered = await fetch(strange + "/greetings", { method: "POST", body: "{}", headers: { "content-type": "application/json" } })
    .then(() => true, () => false);
  equal(answered, false);
}]);

await fetch("/report", { method: "POST", body: JSON.stringify(await report(checks)) });
