// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// jsonPrefix begins the type URLs of what is JSON.
const jsonPrefix = "json.cloudstate.io/"

// anyName is the full name of a message that stands for one of any type.
const anyName = "google.protobuf.Any"

// An Origin says which event a command has been called with.
type Origin struct {
	ID       string // that no other event of the log has; the same whenever the event comes again
	Log      string // the persistence id of the entity whose event it is
	Instance string // the key of the instance whose event it is
	TypeURL  string
}

// OriginOf returns where the event comes from that a command takes, and false if
// the command was called otherwise. Ctx is the command's context or one made from
// it.
func OriginOf(ctx context.Context) (Origin, bool) {
	md, _ := metadata.FromIncomingContext(ctx)
	first := func(name string) string {
		if v := md.Get(name); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	o := Origin{ID: first("ce-id"), Log: first("ce-source"), Instance: first("ce-subject"), TypeURL: first("ce-type")}
	return o, o.ID != ""
}

// JSON returns v as an event in JSON, for [Emit], which is not a generated
// message. Its type is called by that name.
func JSON(name string, v any) (*anypb.Any, error) {
	if name == "" {
		return nil, errors.New("the type of the JSON has no name")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s as JSON: %w", name, err)
	}
	return &anypb.Any{TypeUrl: jsonPrefix + name, Value: protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), text)}, nil
}

// ReadJSON reads what [JSON] made into the value that v points to.
func ReadJSON(event *anypb.Any, v any) error {
	if !isJSON(event.GetTypeUrl()) {
		return fmt.Errorf("%q is no JSON", event.GetTypeUrl())
	}
	var text []byte
	for b := event.GetValue(); len(b) > 0; {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%s: %w", event.GetTypeUrl(), protowire.ParseError(n))
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, kind, b); n < 0 {
			return fmt.Errorf("%s: %w", event.GetTypeUrl(), protowire.ParseError(n))
		}
		if num == 1 && kind == protowire.BytesType {
			text, _ = protowire.ConsumeBytes(b)
		}
		b = b[n:]
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("decode %s: %w", event.GetTypeUrl(), err)
	}
	return nil
}

func isJSON(url string) bool { return strings.HasPrefix(url, jsonPrefix) }

// handlerOf returns the handler of events of a type: its own, or else that of all
// others; nil if there is none.
func (e *eventSourced) handlerOf(url string) *handler {
	if h := e.handlers[typeName(url)]; h != nil && !isJSON(url) {
		return h
	}
	return e.handlers[anyName]
}

// read returns what the handler is given of an event.
func (h *handler) read(event *anypb.Any) (proto.Message, error) {
	if h.name == anyName {
		return &anypb.Any{TypeUrl: event.GetTypeUrl(), Value: event.GetValue()}, nil
	}
	m := h.create()
	return m, proto.Unmarshal(event.GetValue(), m)
}
