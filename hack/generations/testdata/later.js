// SPDX-License-Identifier: Apache-2.0

// A function for the generations after Cloudstate, which have one interface as
// far as it is used here. SDK names the library, SHOP the folder with what was
// compiled of shop.proto.
const sdk = require(process.env.SDK);
const Service = sdk.Kalix || sdk.AkkaServerless;
const { replies } = sdk;
const proto = "shop.proto";
const own = { includeDirs: [process.env.SHOP] };

const refuse = ({ why, code, crash }) => {
  if (crash) throw new Error(why);
  return replies.failure(why, code || undefined);
};

const cart = new sdk.EventSourcedEntity(proto, "shop.Cart", "cart", {
  ...own,
  snapshotEvery: 3,
  forwardHeaders: ["X-User"],
});
const Contents = cart.lookupType("shop.Contents");
const Added = cart.lookupType("shop.Added");
cart.setInitial(() => Contents.create({ lines: {} }));
cart.setBehavior(() => ({
  commandHandlers: {
    Add: ({ product, quantity }, state, ctx) => {
      if (quantity <= 0) return replies.failure("quantity must be positive");
      ctx.emit(Added.create({ product, quantity }));
      const lines = { ...state.lines };
      lines[product] = (lines[product] || 0) + quantity;
      return replies.message(Contents.create({ lines }));
    },
    Get: (_, state) => replies.message(state),
    Fail: refuse,
    Headers: (_, __, ctx) =>
      replies.message({ text: ctx.metadata.entries.map((e) => `${e.key}=${e.stringValue}`).join(" ") }),
  },
  eventHandlers: {
    Added: ({ product, quantity }, state) => {
      state.lines[product] = (state.lines[product] || 0) + quantity;
      return state;
    },
  },
}));

const account = new sdk.ValueEntity(proto, "shop.Account", "account", own);
const Amount = account.lookupType("shop.Amount");
account.setInitial((id) => Amount.create({ id, cents: 0 }));
account.setCommandHandlers({
  Set: (amount, _, ctx) => {
    ctx.updateState(Amount.create(amount));
    return replies.message(amount);
  },
  Get: (_, state) => replies.message(state),
  Close: (_, __, ctx) => {
    ctx.deleteState();
    return replies.message({});
  },
  Fail: refuse,
});

const desk = new sdk.Action(proto, "shop.Desk", own);
desk.commandHandlers = {
  Greet: ({ text }) => replies.message({ text: `Hello, ${text}!` }),
  Fail: refuse,
  AddTwice: (line) => replies.forward(cart.service.methods.Add, { ...line, quantity: 2 * line.quantity }),
  Pay: (amount) => replies.message({ text: "paid" }).addEffect(account.service.methods.Set, amount, true),
  Join: (ctx) => {
    const all = [];
    ctx.on("data", ({ text }) => all.push(text));
    ctx.on("end", () => ctx.write({ text: all.join(" ") }));
  },
  Split: ({ text }, ctx) => {
    if (text === "never") return;
    text.split(" ").forEach((word) => ctx.write({ text: word }));
    ctx.end();
  },
  Shout: (ctx) => {
    ctx.on("data", ({ text }) => (text ? ctx.write({ text: text.toUpperCase() }) : ctx.fail("nothing to shout")));
    ctx.on("end", () => ctx.end());
  },
};

const service = new Service({ descriptorSetPath: process.env.SHOP + "/user-function.desc" });
service.addComponent(cart, account, desk);

if (process.env.REPLICATED) {
  const visits = new sdk.ReplicatedEntity(proto, "shop.Visits", "visits", own);
  visits.defaultValue = () => new sdk.ReplicatedData.ReplicatedCounter();
  visits.commandHandlers = {
    Visit: ({ id }, ctx) => {
      ctx.state.increment(1);
      return replies.message({ id, cents: ctx.state.value });
    },
    Fail: refuse,
  };
  service.addComponent(visits);
}

if (process.env.VIEW) service.addComponent(new sdk.View(proto, "shop.Report", { ...own, viewId: "report" }));

service.start();
