// SPDX-License-Identifier: Apache-2.0

// Package sdk is for writing user functions of Kairn, or of any proxy that
// speaks the Cloudstate protocol, in Go. A function keeps its state in plain
// Go values; the proxy beside it makes them durable.
//
// # An event sourced entity
//
// The state of an entity is a Go type that implements the server interface
// which protoc-gen-go-grpc made of its service. Each method is a command:
//
//	type Cart struct {
//		shop.UnimplementedShoppingCartServer
//		items map[string]*shop.LineItem
//	}
//
//	func (c *Cart) AddItem(ctx context.Context, in *shop.AddItemRequest) (*emptypb.Empty, error) {
//		if in.GetQuantity() <= 0 {
//			return nil, fmt.Errorf("the quantity must be positive, not %d", in.GetQuantity())
//		}
//		sdk.Emit(ctx, &shop.ItemAdded{Item: ...})
//		return &emptypb.Empty{}, nil
//	}
//
// A command decides and leaves the state alone. What it decides is an event,
// and only an event's handler changes the state, now and whenever the event is
// replayed:
//
//	func (c *Cart) itemAdded(e *shop.ItemAdded) { ... }
//
// A literal puts these together, and [Serve] serves it:
//
//	func carts() sdk.EventSourced[*Cart] {
//		return sdk.EventSourced[*Cart]{
//			Service:       &shop.ShoppingCart_ServiceDesc,
//			PersistenceID: "shopping-cart",
//			New:           newCart,
//			Events: []sdk.EventHandler[*Cart]{
//				sdk.On((*Cart).itemAdded),
//				sdk.On((*Cart).itemRemoved),
//			},
//			Snapshots: sdk.Snapshots((*Cart).snapshot, (*Cart).restore),
//		}
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		defer stop()
//		if err := sdk.Serve(ctx, carts()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Test it without a proxy with package sdktest. The folder
// samples/shoppingcart has all of this example.
//
// # A value entity
//
// A [ValueEntity] is written alike, without events: what is stored is one message,
// which a command replaces with [Update] or deletes with [Delete]. Only the
// function in State changes the Go value, now and when it is loaded:
//
//	func (a *Account) Deposit(ctx context.Context, in *bank.DepositRequest) (*bank.Balance, error) {
//		sdk.Update(ctx, &bank.Account{Cents: a.cents + in.GetCents()})
//		return &bank.Balance{Cents: a.cents}, nil
//	}
//
//	func (a *Account) set(to *bank.Account) { a.cents = to.GetCents() }
//
//	func accounts() sdk.ValueEntity[*Account] {
//		return sdk.ValueEntity[*Account]{
//			Service:       &bank.Accounts_ServiceDesc,
//			PersistenceID: "account",
//			New:           newAccount,
//			State:         sdk.State((*Account).set),
//		}
//	}
//
// # A CRDT
//
// The state of a [CRDT] is replicated instead of stored: every proxy may have the
// instance, and changes it without asking the others, with whom it soon agrees.
// That is possible with data of certain types, see [Data], which commands change
// in place:
//
//	type Lobby struct {
//		chat.UnimplementedRoomsServer
//		guests sdk.ORSet[string]
//	}
//
//	sdk.CRDT[*Lobby]{
//		Service: &chat.Rooms_ServiceDesc,
//		New:     newLobby,
//		Data:    func(l *Lobby) sdk.Data { return &l.guests },
//	}
//
// What a command changes is sent with its reply, which waits for the others only if
// [Consistently] says so; what others change is there when the next command begins.
// Several types of data are put together by [Fields]. A command with many replies sends at most one from its
// method, and says with [OnChange] what it sends whenever the data has changed, and
// with [OnCancel] what is to be done when its client has gone. Those who watch get
// to see a change after the client of the command that made it was answered. See
// samples/chat.
//
// Nothing but the data must be changed by a command: what a refused command has
// changed in it is undone, and an instance that starts anew has nothing else.
//
// # An action
//
// An [Action] has no state: its server is a gRPC server like any other, and may
// have streamed methods. See samples/account and samples/greeter for both.
//
//	sdk.Action{Service: &greet.Greeter_ServiceDesc, Server: &Greeter{}}
//
// # Events of other entities
//
// A method, of an action as a rule, takes the events of an event sourced entity if
// its .proto file says so, by the entity's persistence id:
//
//	rpc Ship(shop.ItemAdded) returns (google.protobuf.Empty) {
//		option (cloudstate.eventing) = {in: {event_log: "shopping-cart"}};
//	}
//
// It is called with each event of that type at least once; a method that takes a
// google.protobuf.Any is called with those that no other method of the service
// takes, whatever is in them. [OriginOf] says which event it is, and whose. An event
// that the method refuses comes again. Package sdktest gives events to the unary
// methods that take them. Events in JSON are made with [JSON] and read
// with [ReadJSON].
//
// # What a command may do
//
// Returning an error refuses the command: the client gets its text, as with
// any gRPC server in Go (of a status error, the message). What a refused command
// of an entity has emitted, updated or deleted is dropped, and so are its effects; if
// there were events, the proxy builds the instance anew from what is stored. The
// effects of a refused call of an action are carried out. A nil message without
// an error is the empty reply.
//
// [Emit] applies an event at once and has it stored with the reply; [Update] does
// so with a value. [Delete] deletes what is stored. [Forward] lets another command answer the client
// instead. [Effect] sends a command when this one has been stored. The targets are
// the constants that end in _FullMethodName. In actions, [NoReply] answers
// nothing.
//
// In a streamed method of an action, each Send makes a response, with the effects
// since the last one. [SendForward], [SendFailure] and [SendEffects] make one
// without a reply. A method with one response may return without any, which is an
// answer of nothing; it may return before the requests have ended.
//
// Request metadata that the proxy passes on is read, and reply metadata set,
// with what gRPC has for that: metadata.FromIncomingContext and
// grpc.SetHeader, in a stream for the next reply. Metadata for a forward or an
// effect is that of metadata.AppendToOutgoingContext. [MessageMetadata] is that of
// a message in a stream. There are no trailers as such: the proxy makes some of the
// metadata of a stream's last reply. Whether an entity gets request metadata at all
// is a setting of the proxy.
//
// # Promises
//
// Commands and events of one instance are handled one at a time, so the state
// needs no lock. The context of an entity's command ends with the stream of its
// instance. Calls of an action are handled at once; their contexts end when the
// client has gone or its deadline has passed, and a client that reads slowly
// blocks Send.
//
// The functions of this package that take a context belong to the goroutine of
// the command, until it returns; in a stream, MessageMetadata to the one that
// receives and the others to the one that sends.
//
// A snapshot is taken when at least [EventSourced.SnapshotEvery] events were
// emitted or replayed since the last one, with the reply to the command that
// emitted the last of them.
//
// # Faults
//
// What is wrong with an entity's description is an error of [NewServer], all
// of it at once. A fault at run time (a panic, an event that has no handler, a
// message that can't be encoded) is logged with its stack and told to the
// proxy; the state, which can't be trusted any more, is given up, and with the
// next command the proxy starts the instance anew. Other instances notice
// nothing. In an action, the call ends with the code Internal. A request that
// can't be decoded harms nobody: it is refused.
//
// # On the wire
//
// Protocol 0.2. Messages travel as google.protobuf.Any with the type URL
// type.googleapis.com/ and the message's full name; what is stored is read
// whatever stands before the last slash, but for json.cloudstate.io, which stands
// before what is JSON.
package sdk
