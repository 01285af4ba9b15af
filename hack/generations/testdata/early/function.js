// SPDX-License-Identifier: Apache-2.0

// A function for the library of Cloudstate before 0.2. SHOP is the folder with
// what was compiled of shop.proto.
const grpc = require("grpc");

// That library was made for a transport of which nothing runs any more. Its
// successor lacks one method, which this is.
grpc.Server.prototype.bind = function (address, credentials) {
  this.bindAsync(address, credentials, (err) => {
    if (err) throw err;
    this.begin();
  });
  return Number(address.split(":").pop());
};
grpc.Server.prototype.begin = grpc.Server.prototype.start;
grpc.Server.prototype.start = function () {};

const { EventSourced, CloudState, Stateless } = require("cloudstate");
const proto = "shop.proto";
const path = require("path");
// The second one has google/protobuf/descriptor.proto, which the library's
// install script would have fetched.
const own = { includeDirs: [process.env.SHOP, path.dirname(require.resolve("protobufjs/package.json"))] };

const refuse = ({ why, crash }, _, ctx) => {
  if (crash) throw new Error(why);
  ctx.fail(why);
};

const cart = new EventSourced(proto, "shop.Cart", { ...own, persistenceId: "cart", snapshotEvery: 3 });
const Contents = cart.lookupType("shop.Contents");
const Added = cart.lookupType("shop.Added");
cart.setInitial(() => Contents.create({ lines: {} }));
cart.setBehavior(() => ({
  commandHandlers: {
    Add: ({ product, quantity }, state, ctx) => {
      if (quantity <= 0) ctx.fail("quantity must be positive");
      ctx.emit(Added.create({ product, quantity }));
      const lines = { ...state.lines };
      lines[product] = (lines[product] || 0) + quantity;
      return Contents.create({ lines });
    },
    Get: (_, state) => state,
    Fail: refuse,
    Headers: () => ({}),
  },
  eventHandlers: {
    Added: ({ product, quantity }, state) => {
      state.lines[product] = (state.lines[product] || 0) + quantity;
      return state;
    },
  },
}));

const desk = new Stateless(proto, "shop.Desk", own);
desk.commandHandlers = {
  Greet: ({ text }) => ({ text: `Hello, ${text}!` }),
  Split: (stream, { text }) => {
    text.split(" ").forEach((word) => stream.write({ text: word }));
    stream.end();
  },
  Shout: (stream, { text }) => stream.write({ text: text.toUpperCase() }),
};

new CloudState({ descriptorSetPath: process.env.SHOP + "/user-function.desc" })
  .addEntity(cart, desk)
  .start({ bindAddress: process.env.HOST, bindPort: process.env.PORT });
