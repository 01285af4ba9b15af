// SPDX-License-Identifier: Apache-2.0

// What every client does, in Node and in a browser: all methods of the greeter
// that its transport can call, a failure, metadata both ways, a call that is
// given up. It throws at what is not as it should be.
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import grpcWeb from "grpc-web";

/** greeterOf returns the service of a FileDescriptorSet. */
export function greeterOf(descriptors) {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors)).getService("greet.Greeter");
}

export function equal(got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

/** refused awaits an error of code whose text is want, or has it. */
async function refused(call, code, want) {
  try {
    await call;
  } catch (err) {
    const e = ConnectError.from(err);
    if (e.code !== code || !e.rawMessage.includes(want)) {
      throw new Error(`refused with ${Code[e.code]} ${e.rawMessage}`);
    }
    return;
  }
  throw new Error(`not refused with ${want}`);
}

/** check calls by a transport of Connect-ES. */
export async function check(service, transport, can) {
  const client = createClient(service, transport);
  const headers = [];
  const greeting = await client.greet({ name: "Änn" }, { headers: { zone: "b" }, onHeader: (h) => headers.push(h) });
  equal(greeting.text, "Hello, Änn!");
  equal(headers.length, 1);
  const long = "x".repeat(300_000);
  equal((await client.greet({ name: long })).text.length, long.length + 8);
  await refused(client.greet({ name: "Ann", language: "xx" }), Code.Unknown, 'nobody here speaks "xx"');

  const all = [];
  for await (const g of client.greetInAllLanguages({ name: "Ann" })) all.push(g.text);
  equal(all, ["Hallo, Ann!", "Hello, Ann!", "¡Hola, Ann!", "Bonjour, Ann !", "Halló, Ann!"]);
  await refused((async () => { for await (const _ of client.greetInAllLanguages({ name: "" })); })(), Code.Unknown, "whom?");
  if (can.sendMany) {
    equal((await client.greetAll(requests("Ann", "Bob", "Carl"))).text, "Hello, Ann, Bob & Carl!");
  }
  if (can.converse) {
    const each = [];
    for await (const g of client.greetEach(requests("Ann", "Bob"))) each.push(g.text);
    equal(each, ["Hello, Ann!", "Hello, Bob!"]);
    const abort = new AbortController();
    await refused((async () => {
      for await (const _ of client.greetEach(endless(), { signal: abort.signal })) abort.abort();
    })(), Code.Canceled, "");
  }
}

async function* requests(...names) {
  for (const name of names) yield { name };
}

async function* endless() {
  yield { name: "Ann" };
  await new Promise(() => {});
}

/** checkGRPCWeb calls by Google's grpc-web, which has its own ways with XHR. */
export async function checkGRPCWeb(service, base, format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const method = (m, type) => new grpcWeb.MethodDescriptor(`/greet.Greeter/${m.name}`, type, Object, Object,
    (init) => toBinary(m.input, create(m.input, init)), (bytes) => fromBinary(m.output, bytes));
  const greet = method(service.method.greet, "unary");
  const call = (init) => client.unaryCall(base + greet.name, init, { zone: "b" }, greet);
  equal((await call({ name: "Änn" })).text, "Hello, Änn!");
  try {
    await call({ name: "Ann", language: "xx" });
    throw new Error("not refused");
  } catch (err) {
    equal([err.code, err.message], [2, 'nobody here speaks "xx"']);
  }
  const many = method(service.method.greetInAllLanguages, "server_streaming");
  const all = [];
  await new Promise((resolve, reject) => {
    const stream = client.serverStreaming(base + many.name, { name: "Ann" }, {}, many);
    stream.on("data", (g) => all.push(g.text));
    stream.on("error", reject);
    stream.on("end", resolve);
  });
  equal(all.length, 5);
}

/** report runs the checks one after the other and returns what each came to. */
export async function report(checks) {
  const lines = [];
  for (const [name, run] of checks) {
    try {
      await run();
      lines.push({ name, error: "" });
    } catch (err) {
      lines.push({ name, error: String(err) + "\n" + (err.stack ?? "") });
    }
  }
  return lines;
}
